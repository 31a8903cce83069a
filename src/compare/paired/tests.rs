use super::*;
use crate::compare::testing::{Disturbance, drawn, each_sample, first, own, side};
use crate::compare::tests::scaled;
use crate::compare::{Design, Estimate, OperatorChange};
use crate::summary::testing::{Noise, Op, bert, op};
use crate::summary::{OperatorKey, Sample};

/// Two equal models measured in turns.
fn equal(pairs: usize, disturbance: Disturbance, seed: u64) -> (Side, Side) {
    changed(&bert(), pairs, disturbance, seed)
}

/// BERT and then this head.
fn changed(head: &[Op], pairs: usize, disturbance: Disturbance, seed: u64) -> (Side, Side) {
    let mut noise = Noise::seeded(seed);
    (drawn(&bert(), pairs, disturbance, &mut noise), drawn(head, pairs, disturbance, &mut noise))
}

fn one((base, head): &(Side, Side)) -> Comparison {
    paired(&[(base, head)]).remove(0)
}

fn change<'a>(comparison: &'a Comparison, op_type: &str) -> &'a OperatorChange {
    comparison.operators.iter().find(|change| change.key.0 == format!("ai.onnx:{op_type}")).unwrap()
}

fn of(comparison: &Comparison, op_type: &str) -> Estimate {
    change(comparison, op_type).estimate.unwrap()
}

/// Every estimate by name, the latency's last.
fn estimates(comparison: &Comparison) -> Vec<(String, Estimate)> {
    let operators = comparison.operators.iter().map(|o| (o.key.0.clone(), o.estimate.unwrap()));
    let mut all: Vec<_> = operators.chain([("~latency".into(), comparison.latency.estimate.unwrap())]).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9 * (1.0 + a.abs())
}

// ---- What it is made of -----------------------------------------------------------------------------------------

#[test]
fn a_side_does_not_differ_from_itself() {
    let same = drawn(&bert(), 8, own(0.05), &mut Noise::seeded(1));
    let comparison = one(&(same.clone(), same));
    assert_eq!((comparison.design, comparison.machine_factor), (Design::Paired { pairs: 8 }, Some(1.0)));
    assert!(comparison.structure.is_empty() && comparison.causes.is_empty() && comparison.fingerprint.is_empty());
    for (name, estimate) in estimates(&comparison) {
        let Estimate { ratio, low, high, noise, p_slower, p_faster, .. } = estimate;
        assert_eq!((ratio, low, high, noise, p_slower, p_faster), (1.0, 1.0, 1.0, 0.0, 1.0, 1.0), "{name}");
    }
}

#[test]
fn what_a_pair_has_in_common_is_the_factor_and_stays_in_the_latency() {
    let ops = bert();
    let steady = |scales: [f64; 8]| {
        let times = |op: &Op| scales.map(|scale| op.self_us * scale).to_vec();
        side(ops.iter().map(|op| (op, times(op))), scales.to_vec())
    };
    let base = steady([1.0, 1.5, 0.8, 1.1, 2.0, 1.0, 1.2, 0.9]);
    let head = steady([1.2, 1.8, 0.9, 1.5, 2.0, 1.3, 1.5, 1.0]);
    let comparison = one(&(base, head));
    // The ratios are 1.2, 1.2, 1.125, 1.3636, 1, 1.3, 1.25 and 1.1111.
    assert!(close(comparison.machine_factor.unwrap(), 1.2));
    assert!(close(comparison.latency.estimate.unwrap().ratio, 1.2));
    assert!(comparison.operators.iter().all(|o| close(o.estimate.unwrap().ratio, 1.0)));
    assert!(comparison.operators.iter().all(|o| o.normalized_ratio == o.estimate.map(|e| e.ratio)));
}

#[test]
fn the_interval_is_that_of_student() {
    // Fisher (1935) on Darwin's maize, section 17, with the 5 % point of the tables: here 90 %, so t = 1.761.
    let eighths = [49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0, -48.0];
    let head: Vec<f64> = eighths.iter().map(|eighth: &f64| 1e4 * (eighth / 100.0).exp()).collect();
    let comparison = one(&(side(std::iter::empty(), vec![1e4; 15]), side(std::iter::empty(), head)));
    let estimate = comparison.latency.estimate.unwrap();
    // Mean 20.933, standard error 9.746, median 24.
    let (low, high) = (20.933 - 1.7613 * 9.746, 20.933 + 1.7613 * 9.746);
    let near = |value: f64, eighths: f64| (value.ln() * 100.0 - eighths).abs() < 0.01;
    assert!(near(estimate.ratio, 24.0) && near(estimate.low, low) && near(estimate.high, high), "{estimate:?}");
    assert!((estimate.noise - 0.37745).abs() < 1e-4, "{}", estimate.noise);
}

#[test]
fn sides_of_different_length_use_the_pairs_that_both_have() {
    let (base, head) = equal(10, own(0.03), 2);
    let mut ragged = head.clone();
    ragged.operators[3].self_us.0.truncate(8);
    assert_eq!(one(&(base.clone(), ragged)).design, Design::Paired { pairs: 8 });
    let shares_aside = |mut comparison: Comparison| {
        comparison.operators.iter_mut().for_each(|o| (o.base_share, o.head_share) = (0.0, 0.0));
        comparison
    };
    let cut = one(&(first(&base, 8), first(&head, 8)));
    assert_eq!(shares_aside(one(&(first(&base, 8), head))), shares_aside(cut));
}

#[test]
fn fewer_than_two_pairs_estimate_nothing() {
    for pairs in [0, 1] {
        let comparison = one(&equal(pairs, own(0.03), 3));
        assert!(comparison.latency.estimate.is_none() && comparison.operators.iter().all(|o| o.estimate.is_none()));
    }
    assert!(paired(&[]).is_empty());
}

#[test]
fn two_operators_tell_no_machine_and_the_latency_is_judged_all_the_same() {
    let mut noise = Noise::seeded(4);
    let ops = [op("MatMul", 1, 900.0), op("Add", 1, 300.0)];
    let comparison = one(&(drawn(&ops, 8, own(0.02), &mut noise), drawn(&ops, 8, own(0.02), &mut noise)));
    assert_eq!(comparison.machine_factor, None);
    assert!(comparison.operators.iter().all(|o| o.estimate.is_none() && o.normalized_ratio.is_none()));
    assert!(comparison.latency.estimate.is_some());
}

#[test]
fn operators_of_other_counts_tell_no_machine_and_are_tested() {
    let ops = [op("MatMul", 1, 900.0), op("Add", 1, 300.0), op("Gelu", 1, 300.0), op("Cast", 4, 300.0)];
    let head = ops.clone().map(|o| if o.op_type == "Cast" { Op { executions: 8, self_us: 600.0, ..o } } else { o });
    let pair = |ops: &[Op], head: &[Op]| {
        let mut noise = Noise::seeded(5);
        one(&(drawn(ops, 8, own(0.01), &mut noise), drawn(head, 8, own(0.01), &mut noise)))
    };
    let comparison = pair(&ops, &head);
    assert!((of(&comparison, "Cast").ratio - 2.0).abs() < 0.05 && of(&comparison, "Cast").p_slower < 0.005);
    assert!((of(&comparison, "MatMul").ratio - 1.0).abs() < 0.05);
    assert_eq!(pair(&ops[1..], &head[1..]).machine_factor, None);
}

#[test]
fn times_of_zero_are_finite() {
    let zero = |ops: &[Op], launches: &[usize]| {
        let mut side = drawn(ops, 8, own(0.02), &mut Noise::seeded(6));
        for launch in launches {
            side.operators[6].self_us.0[*launch] = 0.0;
        }
        side
    };
    let all: Vec<usize> = (0..8).collect();
    for (base, head) in [(&all[..], &[][..]), (&all, &all), (&[2, 5], &[1]), (&[], &all)] {
        let comparison = one(&(zero(&bert(), base), zero(&scaled(&bert(), "Reshape", 20.0), head)));
        let numbers = estimates(&comparison)
            .into_iter()
            .flat_map(|(_, e)| [e.ratio, e.low, e.high, e.noise, e.p_slower, e.p_faster, e.detectable]);
        assert!(numbers.into_iter().all(f64::is_finite), "{comparison:#?}");
        let text = serde_json::to_string(&comparison).unwrap();
        assert_eq!(serde_json::from_str::<Comparison>(&text).unwrap(), comparison);
    }
}

#[test]
fn operators_that_the_clock_cannot_time_are_in_nobodys_way() {
    let tiny = ["Relu", "Erf", "Sqrt", "Neg", "Exp"].map(|name| op(name, 1, 9.0));
    let with_tiny = |ops: Vec<Op>, tiny: &[Op]| [&ops[..], tiny].concat();
    let pair = |tiny: &[Op]| {
        // The tiny ones are drawn last and so leave the others' noise as it is; the latency is left out.
        let draw = |ops: Vec<Op>, seed| {
            let times = drawn(&ops, 8, own(0.02), &mut Noise::seeded(seed));
            Side { latency_us: Sample(vec![1e5; 8]), ..times }
        };
        (draw(with_tiny(bert(), tiny), 7), draw(with_tiny(scaled(&bert(), "Softmax", 1.07), tiny), 8))
    };
    let (few, many) = (one(&pair(&[])), one(&pair(&tiny)));
    for (name, estimate) in estimates(&few) {
        assert_eq!(estimates(&many).into_iter().find(|other| other.0 == name).unwrap().1, estimate, "{name}");
    }
    assert_eq!((of(&many, "Erf").p_slower, of(&many, "Erf").p_faster), (1.0, 1.0));
}

// ---- Several scenarios ------------------------------------------------------------------------------------------

#[test]
fn scenarios_are_tested_together() {
    let (a, b) = (changed(&scaled(&bert(), "Softmax", 1.05), 8, own(0.02), 9), equal(8, own(0.02), 10));
    let both = paired(&[(&a.0, &a.1), (&b.0, &b.1)]);
    assert_eq!(both[0].operators.len() + both[1].operators.len(), 20);
    let alone = one(&a);
    for (name, estimate) in estimates(&alone) {
        let together = estimates(&both[0]).into_iter().find(|other| other.0 == name).unwrap().1;
        assert!(together.p_slower >= estimate.p_slower && together.p_faster >= estimate.p_faster, "{name}");
        assert_eq!((together.ratio, together.low), (estimate.ratio, estimate.low));
    }
    assert!(of(&both[0], "Softmax").p_slower > of(&alone, "Softmax").p_slower);
}

#[test]
fn scenarios_with_fewer_pairs_use_their_first_signs() {
    let (a, b) = (changed(&scaled(&bert(), "Softmax", 1.4), 8, own(0.02), 11), equal(12, own(0.02), 12));
    let both = paired(&[(&a.0, &a.1), (&b.0, &b.1)]);
    assert_eq!(both.iter().map(|c| c.design).collect::<Vec<_>>(), [8, 12].map(|pairs| Design::Paired { pairs }));
    // 16 of 4096 flips leave the eight pairs as they were.
    assert_eq!(of(&both[0], "Softmax").p_slower, 1.0 / 256.0);
}

#[test]
fn a_second_look_tests_what_was_flagged_and_nothing_else() {
    let head = changed(&scaled(&bert(), "Softmax", 1.04), 8, own(0.02), 13);
    let softmax =
        |_: usize, o: Option<&SideOperator>| o.is_some_and(|o| o.key == OperatorKey("ai.onnx:Softmax".into()));
    let flagged = paired_where(&[(&head.0, &head.1)], softmax).remove(0);
    let all = one(&head);
    assert!(of(&flagged, "Softmax").p_slower < of(&all, "Softmax").p_slower);
    assert_eq!(of(&flagged, "Softmax").ratio, of(&all, "Softmax").ratio);
    assert_eq!((of(&flagged, "Add").p_slower, flagged.latency.estimate.unwrap().p_slower), (1.0, 1.0));
}

// ---- What must not matter ---------------------------------------------------------------------------------------

#[test]
fn exchanging_the_sides_inverts_ratios_and_exchanges_directions() {
    for pairs in [8, 20] {
        let (base, head) = changed(&scaled(&bert(), "Softmax", 1.04), pairs, own(0.03), 14);
        let there = one(&(base.clone(), head.clone()));
        let back = one(&(head, base));
        assert!(close(there.machine_factor.unwrap() * back.machine_factor.unwrap(), 1.0));
        for ((name, there), (_, back)) in estimates(&there).into_iter().zip(estimates(&back)) {
            assert_eq!((there.p_slower, there.p_faster), (back.p_faster, back.p_slower), "{name}");
            assert!(close(there.ratio * back.ratio, 1.0) && close(there.low * back.high, 1.0), "{name}");
            assert!(close(there.noise, back.noise), "{name}");
        }
    }
}

#[test]
fn a_machine_twice_as_slow_for_one_side_changes_the_latency_and_the_factor_alone() {
    let (base, head) = changed(&scaled(&bert(), "Softmax", 1.06), 8, own(0.03), 15);
    let slow = each_sample(&head, |values| values.iter().map(|us| us * 2.0).collect());
    let (plain, slow) = (one(&(base.clone(), head)), one(&(base, slow)));
    assert!(close(slow.machine_factor.unwrap(), 2.0 * plain.machine_factor.unwrap()));
    for change_of in &plain.operators {
        let name = change_of.key.0.trim_start_matches("ai.onnx:");
        let (plain, slow) = (of(&plain, name), of(&slow, name));
        assert!(close(plain.ratio, slow.ratio) && close(plain.low, slow.low) && close(plain.noise, slow.noise));
    }
    // The latency doubled in each pair, which is more than anything else here.
    assert_eq!(slow.latency.estimate.unwrap().p_slower, 1.0 / 256.0);
}

#[test]
fn neither_the_order_of_operators_nor_that_of_pairs_matters() {
    for pairs in [8, 20] {
        let (base, head) = changed(&scaled(&bert(), "Softmax", 1.04), pairs, own(0.03), 16);
        let plain = one(&(base.clone(), head.clone()));
        let reversed = |side: &Side| Side { operators: side.operators.iter().rev().cloned().collect(), ..side.clone() };
        assert_eq!(one(&(reversed(&base), reversed(&head))), plain);
        assert_eq!(one(&(reversed(&base), head.clone())), plain);
        let turned = |side: &Side| each_sample(side, |values| [&values[3..], &values[..3]].concat());
        let turned = one(&(turned(&base), turned(&head)));
        for ((name, plain), (_, turned)) in estimates(&plain).into_iter().zip(estimates(&turned)) {
            assert!(close(plain.ratio, turned.ratio) && close(plain.low, turned.low), "{name}");
            // Other draws of 20,000 where not all flips are gone through.
            let tolerance = if pairs == 8 { 0.0 } else { 0.02 };
            assert!((plain.p_slower - turned.p_slower).abs() <= tolerance, "{name}");
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (a, b) = (equal(20, own(0.03), 17), equal(14, own(0.03), 18));
    let bytes = || serde_json::to_vec(&paired(&[(&a.0, &a.1), (&b.0, &b.1)])).unwrap();
    assert_eq!(bytes(), bytes());
}

// ---- How often it is right --------------------------------------------------------------------------------------

/// The smallest adjusted probability of growth over all operators and the latency.
fn smallest(comparison: &Comparison) -> f64 {
    estimates(comparison).iter().map(|(_, estimate)| estimate.p_slower).fold(1.0, f64::min)
}

#[test]
fn equal_sides_are_as_rarely_significant_as_the_level_says() {
    let restless = Disturbance { own: 0.03, common: 0.10, spikes: 0.05 };
    for disturbance in [own(0.03), restless] {
        // One stream of noise: streams of neighbouring seeds resemble each other, and rates would come in clusters.
        let mut noise = Noise::seeded(21);
        let mut draw = || drawn(&bert(), 8, disturbance, &mut noise);
        let all: Vec<f64> = (0..600).map(|_| smallest(&one(&(draw(), draw())))).collect();
        let alarms = |level: f64| all.iter().filter(|p| **p <= level).count();
        // 5 % of 600 and 1 % of 600, and three standard deviations.
        let (often, rarely) = (alarms(0.05), alarms(0.01));
        assert!((14..=46).contains(&often) && rarely <= 13, "{often} at 5 %, {rarely} at 1 %");
    }
}

#[test]
fn a_growth_of_a_tenth_is_found_through_three_percent_of_noise() {
    let found = |pairs: usize, level: f64| {
        let of_seed = |seed: u64| one(&changed(&scaled(&bert(), "Softmax", 1.10), pairs, own(0.03), 3000 + seed));
        (0..200).filter(|seed| of(&of_seed(*seed), "Softmax").p_slower <= level).count()
    };
    // At 1/256 every one of eight pairs must have grown, which seven of eight times they have.
    let (eight, twelve) = (found(8, 1.0 / 256.0), found(12, 0.003));
    assert!(eight >= 130 && twelve >= 195, "{eight} and {twelve} of 200");
}

#[test]
fn the_detectable_effect_is_what_is_found_in_four_of_five_tries() {
    for (pairs, level) in [(8, 1.0 / 256.0), (12, 0.003)] {
        let effect = |seed: u64| of(&one(&equal(pairs, own(0.03), 4000 + seed)), "Softmax").detectable;
        let typical = Sample((0..100).map(effect).collect()).median();
        let head = scaled(&bert(), "Softmax", 1.0 + typical);
        let is_found =
            |seed: &u64| of(&one(&changed(&head, pairs, own(0.03), 5000 + seed)), "Softmax").p_slower <= level;
        let found = (0..200).filter(is_found).count();
        assert!((130..=190).contains(&found), "{pairs} pairs: +{:.1} % found in {found} of 200", typical * 100.0);
    }
}

#[test]
fn one_disturbed_pair_or_launch_is_never_significant() {
    for seed in 0..50 {
        let (base, head) = equal(8, own(0.02), 6000 + seed);
        let pair = usize::try_from(seed % 8).unwrap();
        // Everything in one launch takes twice as long; then one operator in one launch five times.
        let mut doubled = head.clone();
        doubled.latency_us.0[pair] *= 2.0;
        doubled.operators.iter_mut().for_each(|operator| operator.self_us.0[pair] *= 2.0);
        let mut outlier = head.clone();
        outlier.operators[4].self_us.0[pair] *= 5.0;
        for head in [doubled, outlier.clone()] {
            assert!(smallest(&one(&(base.clone(), head))) > 0.01, "seed {seed}");
        }
        let ratio = of(&one(&(base, outlier)), "Softmax").ratio;
        assert!((ratio - 1.0).abs() < 0.05, "seed {seed}: {ratio}");
    }
}

#[test]
fn a_faster_product_makes_nothing_else_slower() {
    for seed in 0..50 {
        let comparison = one(&changed(&scaled(&bert(), "MatMul", 0.7), 8, own(0.02), 7000 + seed));
        assert!((of(&comparison, "MatMul").ratio - 0.7).abs() < 0.05);
        assert_eq!(of(&comparison, "MatMul").p_faster, 1.0 / 256.0, "seed {seed}");
        for change in comparison.operators.iter().filter(|change| change.key.0 != "ai.onnx:MatMul") {
            let estimate = change.estimate.unwrap();
            assert!(estimate.p_slower > 0.01 || estimate.ratio < 1.05, "seed {seed}: {change:#?}");
        }
    }
}
