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

impl Recording {
    /// The operator of an execution, by its position.
    fn operator(&self, row: usize) -> &str {
        self.tallies.operator_of(&self.run.rows[row]).map_or("", |(op_type, _)| op_type)
    }
}

const RECORDINGS: [(&str, &[u8]); 5] = [
    ("bert-base", include_bytes!("../../../tests/data/cuda/bert-base.gz")),
    ("swin-t", include_bytes!("../../../tests/data/cuda/swin-t.gz")),
    ("resnet-50", include_bytes!("../../../tests/data/cuda/resnet-50.gz")),
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

/// Operators that multiply or convolve.
const PRODUCTS: &[&str] = &["Gemm", "MatMul", "FusedMatMul", "Conv", "ConvTranspose"];

/// cuDNN turns layouts around a convolution and adds its bias.
const CONVOLUTIONS: &[&str] = &["Conv", "ConvTranspose"];

/// Parts of names of kernels, and the operators that run them and no other does. The first part that fits counts.
const BELONG: [(&str, &[&str]); 43] = [
    ("BroadcastBiasKernel", &["Gemm"]),
    ("nvjet_", PRODUCTS),
    ("fprop", &["Conv"]),
    ("dgrad", &["ConvTranspose"]),
    ("implicit_convolve", CONVOLUTIONS),
    ("gemm", PRODUCTS),
    ("splitKreduce", PRODUCTS),
    ("op_generic_tensor_kernel", CONVOLUTIONS),
    ("nchwToNhwcKernel", CONVOLUTIONS),
    ("nhwcToNchwKernel", CONVOLUTIONS),
    ("BiasSoftmax", &["BiasSoftmax"]),
    ("softmax_warp_forward", &["Softmax"]),
    ("SkipLayerNorm", &["SkipLayerNormalization"]),
    ("cuApplyLayerNorm", &["LayerNormalization"]),
    ("reduce_matrix_", &["ReduceMean"]),
    ("OP_Gelu", &["Gelu"]),
    ("FastGelu", &["FastGelu"]),
    ("OP_Relu", &["Relu"]),
    ("OP_Cast", &["Cast"]),
    ("OP_Add", &["Add"]),
    ("OP_Sub", &["Sub"]),
    ("OP_Mul", &["Mul"]),
    // A mean is a sum and a division.
    ("OP_Div", &["Div", "ReduceMean"]),
    ("OP_Max", &["Max"]),
    ("OP_Min", &["Min"]),
    ("_IsNan", &["IsNaN"]),
    ("Transpose3DKernel", &["Transpose"]),
    ("Transpose4DKernel", &["Transpose"]),
    ("transposeNoOverlap", &["Transpose"]),
    ("_GatherKernel", &["Gather"]),
    ("_GatherNDKernel", &["GatherND"]),
    ("_ScatterNDKernel", &["ScatterND"]),
    ("_TenaryElementWise", &["Where"]),
    ("_SliceKernel", &["Slice"]),
    ("_Split", &["Split"]),
    ("_Concat", &["Concat", "NonMaxSuppression"]),
    ("_Resize", &["Resize"]),
    ("PadNCHW", &["Pad"]),
    ("NonZero", &["NonZero"]),
    ("RoIAlignForward", &["RoiAlign"]),
    ("non_max_suppression", &["NonMaxSuppression"]),
    ("RadixTopK", &["TopK"]),
    ("pooling_fw_4d_kernel", &["MaxPool"]),
];

/// Work that is told by its name: where the name belongs, and elsewhere.
#[derive(Debug, Default)]
struct Told {
    right_ns: u64,
    right: u32,
    /// The kernel, and the operator that was found to have run it.
    wrong: Vec<(String, String)>,
}

fn told(of: &Recording, joined: &Joined) -> Told {
    let mut told = Told::default();
    let Activity { work, names, .. } = &of.recorded.activity;
    for (work, owner) in work.iter().zip(&joined.owners) {
        let What::Kernel { name } = work.what else { continue };
        let Some((_, operators)) = BELONG.iter().find(|(part, _)| names[&name].contains(part)) else { continue };
        let operator = owner.map_or("", |owner| of.operator(owner));
        if operators.contains(&operator) {
            told.right_ns += work.duration_ns();
            told.right += 1;
        } else {
            told.wrong.push((names[&name].clone(), operator.to_owned()));
        }
    }
    told
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
        let Told { right_ns, right, wrong } = told(&recording, &joined);
        assert_eq!(wrong, [], "{model}");
        let work = &recording.recorded.activity.work;
        let all_ns: u64 = work.iter().map(Work::duration_ns).sum();
        assert!(right_ns as f64 > 0.8 * all_ns as f64, "{model}: {right_ns} of {all_ns} ns are told by name");
        // By number too: most of Mask R-CNN's time is eight kernels.
        assert!(f64::from(right) > 0.6 * work.len() as f64, "{model}: {right} of {} pieces", work.len());
    }
}

#[test]
fn a_clock_that_is_off_by_a_node_would_show() {
    for (model, _) in RECORDINGS {
        let recording = recording(model);
        for moved_ns in [-200_000, -60_000, -20_000, 20_000, 60_000, 200_000] {
            let Told { right, wrong, .. } = told(&recording, &joined(&recording, moved_ns).0);
            let part = wrong.len() as f64 / (f64::from(right) + wrong.len() as f64);
            assert!(part > 0.35, "{model} moved by {moved_ns} ns: {part:.2} of the pieces at other operators");
        }
    }
}

/// Time in which anything ran, by walking along it. All of it lies in the run.
fn plain_union_ns(work: &[Work]) -> i64 {
    let mut intervals: Vec<(u64, u64)> = work.iter().map(|work| (work.start_ns, work.end_ns)).collect();
    intervals.sort_unstable();
    let (mut busy_ns, mut until_ns) = (0, 0);
    for (start_ns, end_ns) in intervals {
        busy_ns += end_ns.saturating_sub(start_ns.max(until_ns));
        until_ns = until_ns.max(end_ns);
    }
    i64::try_from(busy_ns).unwrap()
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
        assert_eq!(found.joined.busy_ns, plain_union_ns(&recorded.activity.work), "{model}");
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

#[test]
fn nodes_that_copy_have_the_one_copy_that_they_are_for() {
    let recording = recording("maskrcnn-resnet50-fpn");
    let joined = joined(&recording, 0).0;
    let mut pieces: BTreeMap<usize, Vec<What>> = BTreeMap::new();
    for (work, owner) in recording.recorded.activity.work.iter().zip(&joined.owners) {
        pieces.entry(owner.unwrap()).or_default().push(work.what);
    }
    for (operator, wanted, count) in [("MemcpyToHost", DEVICE_TO_HOST, 168), ("MemcpyFromHost", HOST_TO_DEVICE, 28)] {
        let rows: Vec<usize> =
            (0..recording.run.rows.len()).filter(|&row| recording.operator(row) == operator).collect();
        assert_eq!(rows.len(), count, "{operator}");
        for row in rows {
            let found = pieces.get(&row).map_or(&[][..], Vec::as_slice);
            assert!(matches!(found, [What::Copy { direction, .. }] if *direction == wanted), "{operator}: {found:?}");
        }
    }
    // What runs on the CPU asks the device for nothing.
    for row in pieces.keys() {
        let provider = recording.tallies.operator_of(&recording.run.rows[*row]).map(|(_, provider)| provider);
        assert_eq!(provider, Some(ON_DEVICE), "{}", recording.operator(*row));
    }
}
