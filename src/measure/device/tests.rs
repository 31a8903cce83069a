use super::*;
use crate::device::{Api, Pair};
use crate::profile::NameEncoding;

/// A profile of a run of these nodes: name, provider, start and duration in microseconds.
fn profile(nodes: &[(&str, &str, i64, i64)], run: (i64, i64)) -> (Run, Tallies) {
    let event = |category: &str, name: &str, start: i64, duration: i64, args: &str| {
        format!(
            "{{\"cat\" : \"{category}\",\"pid\" :1,\"tid\" :7,\"dur\" :{duration},\"ts\" :{start},\"ph\" : \"X\",\"name\" :\"{name}\",\
             \"args\" : {{{args}}}}}"
        )
    };
    let node = |(index, (name, provider, start, duration)): (usize, &(&str, &str, i64, i64))| {
        let args = format!("\"op_name\" : \"{name}\",\"provider\" : \"{provider}\",\"node_index\" : \"{index}\"");
        event("Node", &format!("{name}_kernel_time"), *start, *duration, &args)
    };
    let mut events: Vec<String> = nodes.iter().enumerate().map(node).collect();
    events.push(event("Session", "model_run", run.0, run.1, ""));
    let text = format!("[\n{}\n]\n", events.join(",\n"));
    let mut tallies = Tallies::default();
    let mut runs = tallies.runs(text.as_bytes(), NameEncoding::Escaped).unwrap();
    (runs.remove(0), tallies)
}

const CPU: &str = "CPUExecutionProvider";

/// Zero of CUPTI's clock in the process's.
const DEVICE_ZERO_NS: i64 = -5_000_000_000;

/// Zero of the profile in the process's clock.
const PROFILE_ZERO_NS: i64 = 40_000_000;

fn device_ns(profile_us: f64) -> u64 {
    ((profile_us * 1e3) as i64 + PROFILE_ZERO_NS - DEVICE_ZERO_NS) as u64
}

/// A call and the kernel that it launches.
fn launch(correlation: u32, call_us: (f64, f64), kernel_us: (f64, f64)) -> (Call, Work) {
    let (start_ns, end_ns) = (device_ns(call_us.0), device_ns(call_us.1));
    let call = Call { api: Api::Runtime, function: 211, start_ns, end_ns, thread: 7, correlation };
    let (start_ns, end_ns) = (device_ns(kernel_us.0), device_ns(kernel_us.1));
    (call, Work { what: What::Kernel { name: 1 }, start_ns, end_ns, device: 0, stream: 7, correlation })
}

fn recorded(launches: &[(Call, Work)]) -> Recorded {
    let (calls, work) = launches.iter().copied().unzip();
    let pair =
        |at_ns: i64| Pair { before_ns: at_ns, device_ns: (at_ns + 40 - DEVICE_ZERO_NS) as u64, after_ns: at_ns + 90 };
    let activity = Activity {
        calls,
        work,
        names: BTreeMap::from([(1, "gemm".to_owned())]),
        dropped: 0,
        clocks: vec![pair(39_900_000), pair(41_000_000)],
    };
    Recorded { activity, began_ns: PROFILE_ZERO_NS - 60_000, ended_ns: PROFILE_ZERO_NS + 900_000 }
}

/// What a run is attributed to, without a library to ask.
fn attributed(run: &mut Run, tallies: &Tallies, recorded: &Recorded) -> DeviceRun {
    attribute(run, recorded, tallies).unwrap()
}

#[test]
fn work_finds_the_node_of_the_profile_though_nobody_says_where_its_zero_lies() {
    let nodes = [("MatMul", ON_DEVICE, 100, 20), ("Softmax", ON_DEVICE, 124, 9), ("Shape", CPU, 140, 30)];
    let (mut run, tallies) = profile(&nodes, (95, 100));
    let launches = [launch(1, (103.0, 118.0), (110.0, 150.0)), launch(2, (126.0, 131.0), (150.0, 160.0))];
    let recorded = recorded(&launches);
    let found = attributed(&mut run, &tallies, &recorded);
    let work: Vec<i64> = run.device.iter().map(|used| used.work_ns / 1_000).collect();
    assert_eq!(work, [40, 10, 0]);
    assert_eq!((run.device[0].pieces, run.device[0].launch_ns), (1, 15_000));
    assert_eq!(found.contained, 1.0);
    // Ten microseconds of the node on the CPU lie beyond the device's last work, give or take what the clocks leave open.
    let exposed_us = run.device[2].exposed_ns as f64 / 1e3;
    assert!((5.0..16.0).contains(&exposed_us), "{exposed_us}");
    let joined = &found.joined;
    assert_eq!(joined.busy_ns + joined.idle_ns, 101_000);
    assert!(joined.orphans.is_empty());
}

#[test]
fn the_nodes_of_a_launch_have_the_device_s_time_and_the_profiler_s_beside_it() {
    let (mut run, mut tallies) = profile(&[("MatMul", ON_DEVICE, 100, 20)], (95, 100));
    let recorded = recorded(&[launch(1, (103.0, 118.0), (110.0, 150.0))]);
    attributed(&mut run, &tallies, &recorded);
    tallies.count(&run);
    let node = &tallies.into_nodes()[0];
    assert_eq!((node.self_us.typical(), node.device.work_ns.typical()), (20.0, 40_000.0));
    assert_eq!(node.device.pieces.median(), 1.0);
}

#[test]
fn work_of_nobody_is_named_with_what_it_was() {
    let node = |index: i64| ("MatMul", ON_DEVICE, 100 + 30 * index, 20);
    let (mut run, tallies) = profile(&[node(0), node(1), node(2), node(3)], (95, 250));
    let made = |index: u32| {
        let start = f64::from(100 + 30 * index);
        launch(index, (start + 2.0, start + 18.0), (start + 10.0, start + 30.0))
    };
    let mut launches = vec![made(0), made(1), made(2), made(3), launch(9, (270.0, 275.0), (272.0, 276.0))];
    launches[4].1.what = What::Copy { direction: DEVICE_TO_HOST, bytes: 4096 };
    let recorded = recorded(&launches);
    let found = attributed(&mut run, &tallies, &recorded);
    assert_eq!(found.strays, BTreeMap::from([(("copy from the device".to_owned(), false), (1, 4_000))]));
    assert_eq!((found.received_bytes, found.sent_bytes), (0, 4096));
    let record = summarized(calm(vec![found]));
    assert_eq!((record.busy_us, record.strays.len(), record.strays[0].work_us), (84.0, 1, 4.0));
    let doubts = doubts(&record, 300.0);
    let expected = [
        LaunchWarning::ClocksDisagree { contained: 0.8 },
        LaunchWarning::Unattributed { share: 4.0 / 84.0, dropped: 0 },
    ];
    assert_eq!(doubts, expected);
}

#[test]
fn records_that_were_dropped_and_a_device_that_works_longer_than_the_run_are_doubts() {
    let record = DeviceRecord { busy_us: 90.0, contained: 1.0, ..DeviceRecord::default() };
    assert_eq!(doubts(&record, 100.0), []);
    let dropped = DeviceRecord { dropped: 3, ..record.clone() };
    assert_eq!(doubts(&dropped, 100.0), [LaunchWarning::Unattributed { share: 0.0, dropped: 3 }]);
    assert_eq!(doubts(&record, 60.0), [LaunchWarning::NotReconciled { ratio: 1.5 }]);
}

#[test]
fn clocks_that_contradict_each_other_are_an_error() {
    let (mut run, tallies) = profile(&[("MatMul", ON_DEVICE, 100, 20)], (95, 100));
    let mut recorded = recorded(&[launch(1, (103.0, 118.0), (110.0, 150.0))]);
    recorded.activity.clocks[1].device_ns += 5_000_000;
    assert!(matches!(attribute(&mut run, &recorded, &tallies), Err(RunsError::Device(CuptiError::Clock))));
}
