//! Attribution held against what CUPTI recorded on a GPU (tests/data/cuda/README.md). That kernels land at the operators whose
//! names they bear is a truth that owes nothing to clocks.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::GzDecoder;

use super::*;
use crate::device::{Api, Pair};
use crate::profile::NameEncoding;

/// What one profiled run left behind, and what the nodes were found to have.
struct Recording {
    run: Run,
    tallies: Tallies,
    recorded: Recorded,
}

const RECORDINGS: [(&str, &[u8]); 4] = [
    ("bert-base", include_bytes!("../../../tests/data/cuda/bert-base.gz")),
    ("swin-t", include_bytes!("../../../tests/data/cuda/swin-t.gz")),
    ("gpt2-xl", include_bytes!("../../../tests/data/cuda/gpt2-xl.gz")),
    ("maskrcnn-resnet50-fpn", include_bytes!("../../../tests/data/cuda/maskrcnn-resnet50-fpn.gz")),
];

fn recording(model: &str) -> Recording {
    let (recorded, profile) = unpacked(model);
    let mut tallies = Tallies::default();
    let run = tallies.runs(profile.as_bytes(), NameEncoding::Escaped).unwrap().remove(0);
    Recording { run, tallies, recorded }
}

/// What CUPTI recorded of a run, and the run's profile.
pub(in crate::measure) fn unpacked(model: &str) -> (Recorded, String) {
    let (_, packed) = RECORDINGS.into_iter().find(|(name, _)| *name == model).unwrap();
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let (records, profile) = text.split_once("\n\n").unwrap();
    let mut recorded = Recorded { activity: Activity::default(), began_ns: 0, ended_ns: 0 };
    records.lines().for_each(|line| take(&mut recorded, line));
    (recorded, profile.to_owned())
}

/// One line of a recording.
fn take(recorded: &mut Recorded, line: &str) {
    let (kind, rest) = line.split_once(' ').unwrap();
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |index: usize| fields[index].parse::<i64>().unwrap();
    let (unsigned, short) = (|index| number(index).unsigned_abs(), |index| u32::try_from(number(index)).unwrap());
    let activity = &mut recorded.activity;
    match kind {
        "run" => (recorded.began_ns, recorded.ended_ns) = (number(0), number(1)),
        "clocks" => activity.clocks.push(Pair { before_ns: number(0), device_ns: unsigned(1), after_ns: number(2) }),
        "runtime" | "driver" => activity.calls.push(Call {
            api: if kind == "runtime" { Api::Runtime } else { Api::Driver },
            function: short(0),
            start_ns: unsigned(1),
            end_ns: unsigned(2),
            thread: short(3),
            correlation: short(4),
        }),
        "name" => {
            activity.names.insert(unsigned(0), rest.split_once(' ').unwrap().1.to_owned());
        }
        _ => {
            let what = match kind {
                "kernel" => What::Kernel { name: unsigned(4) },
                "copy" => What::Copy { direction: u8::try_from(number(4)).unwrap(), bytes: unsigned(5) },
                "set" => What::Set { bytes: unsigned(4) },
                other => panic!("{other}"),
            };
            let (start_ns, end_ns) = (unsigned(0), unsigned(1));
            activity.work.push(Work { what, start_ns, end_ns, device: 0, stream: short(2), correlation: short(3) });
        }
    }
}

/// Parts of names of kernels, and the operators that run them and no other does.
const BELONG: [(&str, &[&str]); 27] = [
    ("BroadcastBiasKernel", &["Gemm"]),
    ("nvjet_", &["Gemm", "MatMul", "FusedMatMul", "Conv"]),
    ("gemm", &["Gemm", "MatMul", "FusedMatMul", "Conv", "ConvTranspose"]),
    ("BiasSoftmax", &["BiasSoftmax"]),
    ("softmax_warp_forward", &["Softmax"]),
    ("SkipLayerNorm", &["SkipLayerNormalization"]),
    ("cuApplyLayerNorm", &["LayerNormalization"]),
    ("OP_Gelu", &["Gelu"]),
    ("FastGelu", &["FastGelu"]),
    ("OP_Relu", &["Relu"]),
    ("_IsNan", &["IsNaN"]),
    ("Transpose4DKernel", &["Transpose"]),
    ("_GatherKernel", &["Gather"]),
    ("_GatherNDKernel", &["GatherND"]),
    ("_ScatterNDKernel", &["ScatterND"]),
    ("_TenaryElementWise", &["Where"]),
    ("_SliceKernel", &["Slice"]),
    ("_Split", &["Split", "SplitToSequence"]),
    ("_Concat", &["Concat", "NonMaxSuppression"]),
    ("_ResizeBilinear", &["Resize"]),
    ("_ResizeNearest", &["Resize"]),
    ("RoIAlignForward", &["RoiAlign"]),
    ("NMSReduce", &["NonMaxSuppression"]),
    ("NMSKernel", &["NonMaxSuppression"]),
    ("RadixTopK", &["TopK"]),
    ("pooling_fw_4d_kernel", &["MaxPool"]),
    ("OP_Cast", &["Cast"]),
];

/// Time of work that is told by its name, in nanoseconds: where the name belongs, and elsewhere.
fn told(of: &Recording, joined: &Joined) -> (u64, u64) {
    let (mut right, mut wrong) = (0, 0);
    let Activity { work, names, .. } = &of.recorded.activity;
    for (work, owner) in work.iter().zip(&joined.owners) {
        let What::Kernel { name } = work.what else { continue };
        let Some((_, operators)) = BELONG.iter().find(|(part, _)| names[&name].contains(part)) else { continue };
        let row = owner.and_then(|owner| of.run.rows.get(owner));
        let operator = row.and_then(|row| of.tallies.operator_of(row)).map_or("", |(op_type, _)| op_type);
        *(if operators.contains(&operator) { &mut right } else { &mut wrong }) += work.duration_ns();
    }
    (right, wrong)
}

/// As [`attribute`] does it, the profile's clock moved by so much.
fn joined(of: &Recording, moved_ns: i64) -> (Joined, device::Alignment) {
    let Activity { calls, work, .. } = &of.recorded.activity;
    let nodes = host_nodes(&of.run.rows, |row| of.tallies.operator_of(row).map(|(_, provider)| provider));
    let alignment = aligned(&nodes, of.run.start_us + of.run.duration_us, &of.recorded).unwrap();
    let joined = device::join(&nodes, calls, work, alignment.shift_ns + moved_ns, interval_ns(&of.run));
    (joined, alignment)
}

#[test]
fn every_kernel_lands_at_the_operator_whose_name_it_bears() {
    for (model, _) in RECORDINGS {
        let recording = recording(model);
        let (joined, alignment) = joined(&recording, 0);
        assert!(alignment.part() == 1.0 && alignment.play_ns < 10_000, "{model}: {alignment:?}");
        assert_eq!(joined.orphans, [], "{model}");
        let (right, wrong) = told(&recording, &joined);
        let all: u64 = recording.recorded.activity.work.iter().map(Work::duration_ns).sum();
        assert!(wrong == 0 && right as f64 > 0.8 * all as f64, "{model}: {right} right, {wrong} wrong of {all} ns");
    }
}

#[test]
fn a_clock_that_is_off_by_a_node_would_show() {
    for (model, _) in RECORDINGS {
        let recording = recording(model);
        for moved_ns in [-60_000, 60_000] {
            let (right, wrong) = told(&recording, &joined(&recording, moved_ns).0);
            assert!(wrong as f64 > 0.2 * right as f64, "{model} moved by {moved_ns} ns: {right} right, {wrong} wrong");
        }
    }
}

#[test]
fn work_is_counted_once_and_the_run_ends_with_the_device() {
    for (model, _) in RECORDINGS {
        let Recording { mut run, tallies, recorded } = recording(model);
        let host_us = run.duration_us;
        let found = attribute(&mut run, &recorded, &tallies).unwrap();
        let work: i64 = recorded.activity.work.iter().map(|work| work.duration_ns() as i64).sum();
        assert_eq!(run.device.iter().map(|used| used.work_ns).sum::<i64>(), work, "{model}");
        let by_name: i64 = found.kernels.values().flatten().map(|(_, (_, work_ns))| work_ns).sum();
        assert_eq!(by_name, work, "{model}");
        // One stream: nothing runs beside anything else. Two pieces may share a few nanoseconds.
        let joined = &found.joined;
        assert!(joined.overlapping_ns < work / 1_000, "{model}: {} of {work} ns", joined.overlapping_ns);
        assert_eq!(joined.busy_ns + joined.idle_ns, (run.duration_us + 1) * 1_000, "{model}");
        assert!(run.duration_us >= host_us && (model != "gpt2-xl" || run.duration_us > host_us), "{model}");
    }
}

#[test]
fn what_the_plain_profile_says_is_something_else() {
    let Recording { mut run, tallies, recorded } = recording("bert-base");
    attribute(&mut run, &recorded, &tallies).unwrap();
    let mut times: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (row, used) in run.rows.iter().zip(&run.device) {
        let (reported, worked) = times.entry(tallies.operator_of(row).unwrap().0).or_default();
        *reported += row.self_us as f64;
        *worked += used.work_ns as f64 / 1e3;
    }
    let sums = times.values().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert!(sums.0 > 3.0 * sums.1, "reported {:.0} us, worked {:.0} us", sums.0, sums.1);
    let shares = |operator: &str| (times[operator].0 / sums.0, times[operator].1 / sums.1);
    let (reported, worked) = shares("Reshape");
    assert!(worked == 0.0 && reported > 0.1, "a Reshape does nothing on the device: {reported:.3}, {worked:.3}");
    let (reported, worked) = shares("Gemm");
    assert!(worked > 0.6 && reported < 0.5, "{reported:.3}, {worked:.3}");
}
