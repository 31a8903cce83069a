//! What a GPU did, in sentences that every text renderer uses.

use std::collections::BTreeMap;

use super::number;
use crate::report::{DeviceSummary, Group, Summary};

/// How well the parts add up to the latency; of a GPU, how it splits into work and waiting.
pub fn reconciliation(summary: &Summary) -> String {
    let reported = number::percent(summary.raw_reconciliation.median());
    let Some(device) = &summary.device else {
        let nodes = number::percent(summary.reconciliation.median());
        return format!("the nodes add up to {nodes} of the latency ({reported} as the profiler reported them)");
    };
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
    format!("{text}; the profiler, which sees launches alone, reports {reported}")
}

/// What the work that belongs to no node was: the two that took most.
fn strays(device: &DeviceSummary) -> String {
    let named: Vec<&str> = device.strays.iter().take(2).map(|stray| stray.what.as_str()).collect();
    match device.strays.len() {
        0..=2 => named.join(", "),
        more => format!("{} and {} more", named.join(", "), more - named.len()),
    }
}

/// Part of the GEMM operators' time from which on it is worth a sentence that kernels of theirs multiply nothing.
const NOTABLE: f64 = 0.01;

/// What the GEMM operators did beside products: an operator is more than its main kernel. `None` where that is next to
/// nothing, and where the times are the host's.
pub fn beside_products(summary: &Summary) -> Option<String> {
    let (mut total_us, mut others): (f64, BTreeMap<&str, f64>) = (0.0, BTreeMap::new());
    for operator in summary.operators.iter().filter(|operator| operator.group == Some(Group::Gemm)) {
        for kernel in operator.device.iter().flat_map(|device| &device.kernels) {
            total_us += kernel.work_us;
            if !kernel.product {
                *others.entry(&kernel.name).or_default() += kernel.work_us;
            }
        }
    }
    let mut others: Vec<(&str, f64)> = others.into_iter().collect();
    others.sort_by(|a, b| b.1.total_cmp(&a.1));
    let others_us: f64 = others.iter().map(|(_, us)| us).sum();
    if others.is_empty() || others_us < NOTABLE * total_us {
        return None;
    }
    let named: Vec<String> = others.iter().take(2).map(|(name, us)| format!("{name} {}", number::time(*us))).collect();
    let more = match others.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "{} of the GEMM operators' {} went into kernels that multiply nothing ({}): {}{more}",
        number::time(others_us),
        number::time(total_us),
        number::percent(others_us / total_us),
        named.join(", ")
    ))
}

/// What the rest of the latency is, beside the nodes.
pub fn remainder(summary: &Summary) -> &'static str {
    if summary.device.is_some() { "GPU waiting" } else { "between nodes" }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures;
    use super::*;
    use crate::report::{Clock, OperatorDevice, Sample};
    use crate::summary::{KernelUse, StrayWork};

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
            reconciliation(&on_gpu()),
            "the GPU worked for 70.0 % of the latency, the CPU alone for 5.0 %, and the GPU waited to be given something for \
             25.0 %; 30.0 us belong to no node (copy to the device, fill and 1 more); the profiler, which sees launches alone, \
             reports 41.0 %"
        );
        assert_eq!(remainder(&on_gpu()), "GPU waiting");
    }

    fn kernel(name: &str, work_us: f64) -> KernelUse {
        KernelUse { name: name.into(), pieces: 12, work_us, product: name.starts_with("nvjet") }
    }

    /// With these kernels as those of its largest product.
    fn with_kernels(kernels: Vec<KernelUse>) -> Summary {
        let mut summary = on_gpu();
        let product = summary.operators.iter_mut().find(|operator| operator.group == Some(Group::Gemm)).unwrap();
        product.device = Some(OperatorDevice { kernels, ..OperatorDevice::default() });
        summary
    }

    #[test]
    fn what_products_do_beside_multiplying_is_said() {
        let kernels = vec![
            kernel("nvjet_sm90_hsh_64x24", 350.0),
            kernel("BroadcastBiasKernel", 140.0),
            kernel("nchwToNhwcKernel", 8.0),
            kernel("copy on the device", 2.0),
        ];
        assert_eq!(
            beside_products(&with_kernels(kernels)).unwrap(),
            "150.0 us of the GEMM operators' 500.0 us went into kernels that multiply nothing (30.0 %): BroadcastBiasKernel \
             140.0 us, nchwToNhwcKernel 8.0 us and 1 more"
        );
        let few = vec![kernel("nvjet_sm90_hsh_64x24", 350.0), kernel("fill", 1.0)];
        assert_eq!(beside_products(&with_kernels(few)), None);
    }

    #[test]
    fn of_the_host_s_times_nothing_is_said() {
        let text = reconciliation(&fixtures::bert());
        assert!(text.starts_with("the nodes add up to 9") && !text.contains("GPU"), "{text}");
        assert_eq!(beside_products(&fixtures::bert()), None);
        assert_eq!(remainder(&fixtures::bert()), "between nodes");
    }
}
