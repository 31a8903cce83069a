//! What a GPU did, in sentences that every text renderer uses.

use super::number;
use crate::report::{DeviceSummary, Summary};

/// How the latency splits into the GPU's work and its waiting; `None` where the times are the host's.
pub fn reconciliation(summary: &Summary) -> Option<String> {
    let device = summary.device.as_ref()?;
    let latency_us = summary.latency_us.median();
    let part = |us: f64| number::percent(us / latency_us);
    let mut text = format!("the GPU worked for {} of the latency", part(device.busy_us.median()));
    if device.exposed_us.median() > 0.0 {
        text += &format!(", the CPU alone for {}", part(device.exposed_us.median()));
    }
    text += &format!(", and the GPU waited to be given something for {}", part(device.idle_us.median()));
    if device.stray_us.median() > 0.0 {
        text += &format!("; {} belong to no node ({})", number::time(device.stray_us.median()), strays(device));
    }
    let reported = number::percent(summary.raw_reconciliation.median());
    Some(format!("{text}; the profiler, which sees launches alone, reports {reported}"))
}

/// What the work that belongs to no node was: the two that took most.
fn strays(device: &DeviceSummary) -> String {
    let named: Vec<&str> = device.strays.iter().take(2).map(|stray| stray.what.as_str()).collect();
    match device.strays.len() {
        0..=2 => named.join(", "),
        more => format!("{} and {} more", named.join(", "), more - named.len()),
    }
}

/// What the rest of the latency is, beside the nodes.
pub fn remainder(summary: &Summary) -> &'static str {
    if summary.device.is_some() { "GPU waiting" } else { "between nodes" }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures;
    use super::*;
    use crate::report::{Clock, Sample};
    use crate::summary::StrayWork;

    fn on_gpu() -> Summary {
        let one = |us: f64| Sample(vec![us]);
        let stray = |what: &str| StrayWork { what: what.into(), unasked: false, pieces: 2, work_us: 10.0 };
        let device = DeviceSummary {
            busy_us: one(700.0),
            idle_us: one(250.0),
            exposed_us: one(50.0),
            overlapping_us: one(0.0),
            launch_us: one(400.0),
            stray_us: one(30.0),
            strays: ["copy to the device", "fill", "copy from the device"].map(stray).to_vec(),
            received_bytes: 0,
            sent_bytes: 0,
            contained: 1.0,
        };
        let raw_reconciliation = one(0.41);
        Summary {
            clock: Clock::DeviceCupti,
            device: Some(device),
            latency_us: one(1_000.0),
            raw_reconciliation,
            ..fixtures::bert()
        }
    }

    #[test]
    fn the_latency_splits_into_work_and_waiting() {
        assert_eq!(
            reconciliation(&on_gpu()).unwrap(),
            "the GPU worked for 70.0 % of the latency, the CPU alone for 5.0 %, and the GPU waited to be given something for \
             25.0 %; 30.0 us belong to no node (copy to the device, fill and 1 more); the profiler, which sees launches alone, \
             reports 41.0 %"
        );
        assert_eq!(remainder(&on_gpu()), "GPU waiting");
    }

    #[test]
    fn of_the_host_s_times_nothing_is_said() {
        assert_eq!(reconciliation(&fixtures::bert()), None);
        assert_eq!(remainder(&fixtures::bert()), "between nodes");
    }
}
