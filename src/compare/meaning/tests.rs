use proptest::prelude::*;

use super::*;
use crate::compare::{compare, patterns};
use crate::summary::{Sample, SideShape};

/// An operator `(key, executions)` of the taxonomy's group, 10 us an execution.
fn operator(key: &str, executions: u32) -> SideOperator {
    let key = if key.contains(':') { key.to_owned() } else { format!("ai.onnx:{key}") };
    let (domain, name) = key.rsplit_once(':').unwrap();
    SideOperator {
        group: crate::taxonomy::get(domain, name).map(|operator| operator.group),
        key: OperatorKey(key),
        provider: CPU.into(),
        executions,
        inserted: Some(0),
        shapes: Vec::new(),
        unsteady: false,
        self_us: Sample(vec![f64::from(executions) * 10.0]),
        share: 0.1,
    }
}

fn side(operators: Vec<SideOperator>) -> Side {
    let sum = operators.iter().map(|operator| operator.self_us.median()).sum();
    Side {
        machine: Vec::new(),
        facts: Vec::new(),
        clock: crate::summary::Clock::Host,
        protocol: crate::summary::PROTOCOL,
        centred: false,
        past: None,
        latency_us: Sample(vec![sum]),
        operators,
    }
}

fn graph(counts: &[(&str, u32)]) -> Side {
    // Three operators that never change, so that there is a machine factor.
    let steady = [("Concat", 10), ("Tile", 10), ("Pad", 10)];
    side(steady.iter().chain(counts).map(|(key, executions)| operator(key, *executions)).collect())
}

fn changes_between(base: &Side, head: &Side) -> Vec<StructuralChange> {
    compare(base, head).changes
}

/// `pattern+25` for 25 nodes won, `-` for lost; `more pattern 3`; the operator alone for what stands alone.
fn words(changes: &[StructuralChange]) -> Vec<String> {
    let word = |change: &StructuralChange| match &change.kind {
        ChangeKind::Fusion { pattern, won } => format!("{pattern}{}{}", if *won { '+' } else { '-' }, change.nodes),
        ChangeKind::Work { pattern, more, .. } => {
            format!("{} {pattern} {}", if *more { "more" } else { "fewer" }, change.nodes)
        }
        ChangeKind::Operator { .. } => format!("{} {:+}", change.operators[0].key, change.operators[0].executions),
        ChangeKind::Moved { from, to } => format!("{} from {from} to {to}", change.operators.len()),
        ChangeKind::Types { from, to } => format!("{} with {to} for {from}", change.operators.len()),
        ChangeKind::Shapes => format!("{} at other shapes", change.operators.len()),
        ChangeKind::Inserted => format!("{} put in", change.operators.len()),
    };
    changes.iter().map(word).collect()
}

fn between(base: &[(&str, u32)], head: &[(&str, u32)]) -> Vec<String> {
    words(&changes_between(&graph(base), &graph(head)))
}

const NORMALIZED: [(&str, u32); 2] = [("MatMul", 8), ("LayerNormalization", 25)];
const IN_PARTS: [(&str, u32); 8] =
    [("MatMul", 8), ("ReduceMean", 50), ("Sub", 25), ("Pow", 25), ("Add", 50), ("Sqrt", 25), ("Div", 25), ("Mul", 25)];

#[test]
fn a_fusion_lost_is_one_change_and_so_is_a_fusion_won() {
    assert_eq!(between(&NORMALIZED, &IN_PARTS), ["layer-normalization-fusion-25"]);
    assert_eq!(between(&IN_PARTS, &NORMALIZED), ["layer-normalization-fusion+25"]);
    assert_eq!(between(&IN_PARTS, &IN_PARTS), Vec::<String>::new());
}

#[test]
fn each_pattern_is_recognized_both_ways_from_each_way_to_write_it() {
    for fusion in &patterns().fusions {
        let fused: Vec<(&str, u32)> = match fusion.into.first() {
            Some(into) => vec![(&into.0, 6)],
            None => vec![],
        };
        for parts in &fusion.from {
            let beside: Vec<(&str, u32)> = fusion.beside.first().map(|key| (key.0.as_str(), 4)).into_iter().collect();
            let in_parts: Vec<(&str, u32)> =
                parts.iter().map(|part| (part.any[0].0.as_str(), part.count * 6)).chain(beside.clone()).collect();
            let fused: Vec<(&str, u32)> = fused.iter().copied().chain(beside).collect();
            // Several patterns may make the same node of the same parts; the first one counts.
            let said = between(&in_parts, &fused);
            assert_eq!(said.len(), 1, "{}: {in_parts:?} -> {fused:?}: {said:?}", fusion.id);
            assert!(said[0].ends_with("+6"), "{}: {said:?}", fusion.id);
            assert_eq!(between(&fused, &in_parts), [said[0].replace('+', "-")], "{}", fusion.id);
        }
    }
}

#[test]
fn two_fusions_share_an_operator_by_what_each_needs() {
    let base = [("LayerNormalization", 2), ("com.microsoft:BiasGelu", 3)];
    let head =
        [("ReduceMean", 4), ("Sub", 2), ("Sqrt", 2), ("Div", 5), ("Pow", 2), ("Erf", 3), ("Mul", 8), ("Add", 10)];
    assert_eq!(between(&base, &head), ["layer-normalization-fusion-2", "bias-gelu-fusion-3"]);
}

#[test]
fn what_a_fusion_does_not_explain_stands_alone() {
    let head = [("MatMul", 8), ("ReduceMean", 50), ("Sub", 25), ("Sqrt", 25), ("Div", 27), ("Relu", 1)];
    assert_eq!(between(&NORMALIZED, &head), ["layer-normalization-fusion-25", "ai.onnx:Div +2", "ai.onnx:Relu +1"]);
    assert_eq!(between(&NORMALIZED, &[("MatMul", 8)]), ["ai.onnx:LayerNormalization -25"]);
}

#[test]
fn a_batch_normalization_is_folded_only_where_there_is_a_convolution() {
    assert_eq!(between(&[("Conv", 5)], &[("Conv", 5), ("BatchNormalization", 5)]), ["batch-normalization-folding-5"]);
    assert_eq!(between(&[], &[("BatchNormalization", 5)]), ["ai.onnx:BatchNormalization +5"]);
    assert_eq!(
        between(&[("com.microsoft.nchwc:Conv", 5)], &[("Conv", 5), ("BatchNormalization", 5), ("Relu", 5)]),
        ["blocked-convolution-5", "batch-normalization-folding-5"]
    );
}

#[test]
fn copies_and_conversions_are_told_by_kind() {
    let head = [("com.microsoft.nchwc:ReorderInput", 3), ("com.microsoft.nchwc:ReorderOutput", 2), ("Cast", 4)];
    assert_eq!(
        between(&[("Transpose", 7)], &head),
        ["more layout-conversion 5", "fewer transpose-work 7", "more type-conversion 4"]
    );
}

#[test]
fn what_onnx_runtime_put_in_is_a_part_of_the_conversions() {
    let cast = |executions, inserted| side(vec![SideOperator { inserted, ..operator("Cast", executions) }]);
    let of = |base: &Side, head: &Side| changes_between(base, head).into_iter().map(|change| change.kind).collect();
    let kinds: Vec<ChangeKind> = of(&cast(1, Some(0)), &cast(61, Some(60)));
    let work = |inserted| ChangeKind::Work { pattern: "type-conversion".into(), more: true, inserted };
    assert_eq!(kinds, [work(60)]);
    let unknown: Vec<ChangeKind> = of(&cast(1, None), &cast(61, Some(60)));
    assert_eq!(unknown, [work(0)], "a base that does not know them is no base without them");
    let appeared: Vec<ChangeKind> = of(&side(Vec::new()), &cast(61, Some(60)));
    assert_eq!(appeared, [work(60)]);
    assert_eq!(words(&changes_between(&cast(61, Some(0)), &cast(61, Some(60)))), ["1 put in"]);
}

#[test]
fn a_fallback_is_one_change_over_all_operators() {
    let on = |provider: &str| {
        let placed = |key| SideOperator { provider: provider.into(), ..operator(key, 4) };
        side(["Add", "Resize", "TopK"].map(placed).into())
    };
    let (cuda, cpu) = (on("CUDAExecutionProvider"), on(CPU));
    let fallen = changes_between(&cuda, &cpu);
    assert_eq!(words(&fallen), ["3 from CUDAExecutionProvider to CPUExecutionProvider"]);
    assert!(fallen[0].is_fallback() && fallen[0].nodes == 12 && fallen[0].lead().is_none());
    assert!(!changes_between(&cpu, &cuda)[0].is_fallback());
}

fn at(key: &str, shapes: &[(&str, u32)]) -> SideOperator {
    let shape = |(inputs, executions): &(&str, u32)| SideShape { inputs: (*inputs).into(), executions: *executions };
    let executions = shapes.iter().map(|(_, executions)| executions).sum();
    SideOperator { shapes: shapes.iter().map(shape).collect(), ..operator(key, executions) }
}

#[test]
fn another_precision_is_one_change_and_no_other_shape() {
    let in_type = |element: &str| {
        let of = |extents: &str| format!("{element}{extents} {element}[64,64]");
        let (a, b) = (of("[1,8,64]"), of("[1,16,64]"));
        let gathered = format!("{element}[100,64] int64[1,8]");
        side(vec![at("MatMul", &[(&a, 4), (&b, 2)]), at("Add", &[(&a, 6)]), at("Gather", &[(&gathered, 1)])])
    };
    let changes = changes_between(&in_type("float"), &in_type("float16"));
    assert_eq!(words(&changes), ["3 with float16 for float"]);
    assert_eq!(changes[0].nodes, 13);
}

#[test]
fn nodes_that_went_are_no_other_precision_of_those_that_stay() {
    let base = side(vec![at("Add", &[("float[8]", 4), ("int64[4]", 3)])]);
    let head = side(vec![at("Add", &[("float[8]", 4)])]);
    assert_eq!(words(&changes_between(&base, &head)), ["ai.onnx:Add -3"]);
    let grown = side(vec![at("Add", &[("float[8]", 5)])]);
    assert_eq!(words(&changes_between(&base, &grown)), ["ai.onnx:Add -2"]);
    let converted = side(vec![at("Add", &[("float16[8]", 5)])]);
    assert_eq!(words(&changes_between(&head, &converted)), ["ai.onnx:Add +1", "1 with float16 for float"]);
}

#[test]
fn other_shapes_are_one_change_where_both_sides_know_theirs() {
    let sized = |size: u32| {
        let inputs = format!("float[1,{size},64]");
        side(vec![at("Softmax", &[(&inputs, 3)]), at("Relu", &[(&inputs, 2), ("float[64]", 1)])])
    };
    let changes = changes_between(&sized(8), &sized(16));
    assert_eq!(words(&changes), ["2 at other shapes"]);
    assert_eq!((changes[0].nodes, changes[0].data_dependent), (5, false));
    let unknown = side(vec![operator("Softmax", 3), operator("Relu", 3)]);
    assert!(changes_between(&unknown, &sized(16)).is_empty());
    assert!(changes_between(&sized(8), &unknown).is_empty());
}

#[test]
fn shapes_of_a_model_that_depends_on_data_may_come_from_the_data() {
    let kept = |boxes: u32| {
        let inputs = format!("float[{boxes},4]");
        side(vec![operator("NonMaxSuppression", 1), at("Sigmoid", &[(&inputs, 1)])])
    };
    let changes = changes_between(&kept(1000), &kept(998));
    assert!(changes.len() == 1 && changes[0].data_dependent, "{changes:?}");
}

#[test]
fn an_unsteady_operator_is_no_part_of_a_fusion() {
    let unsteady = |mut side: Side| {
        side.operators.iter_mut().filter(|o| o.key.0 == "ai.onnx:Sub").for_each(|o| o.unsteady = true);
        side
    };
    let changes = changes_between(&graph(&NORMALIZED), &unsteady(graph(&IN_PARTS)));
    assert!(!words(&changes).iter().any(|word| word.starts_with("layer-norm")), "{:?}", words(&changes));
    let sub = changes.iter().find(|change| change.operators[0].key.0 == "ai.onnx:Sub").unwrap();
    assert!(sub.data_dependent);
    assert!(changes.iter().all(|change| change.data_dependent == (change.operators[0].key.0 == "ai.onnx:Sub")));
}

#[test]
fn the_time_of_a_change_is_that_of_its_operators_and_a_shared_one_is_divided() {
    let comparison = compare(&graph(&NORMALIZED), &graph(&IN_PARTS));
    // 225 executions of 10 us in place of 25.
    assert_eq!(comparison.changes[0].delta_us, Some(2000.0));
    let of = |group| comparison.groups.iter().find(|change| change.group == Some(group)).unwrap().delta_us;
    assert_eq!(of(Group::Normalization), Some(-250.0));
    assert_eq!(of(Group::Reduction), Some(500.0));
    assert_eq!(of(Group::Gemm), Some(0.0));

    let base = [("LayerNormalization", 2), ("com.microsoft:BiasGelu", 2)];
    let head = [("ReduceMean", 4), ("Sub", 2), ("Sqrt", 2), ("Div", 4), ("Erf", 2), ("Mul", 6), ("Add", 8)];
    let (base, head) = (graph(&base), graph(&head));
    let all = |side: &Side| side.operators.iter().map(|operator| operator.self_us.median()).sum::<f64>();
    let told: f64 = changes_between(&base, &head).iter().filter_map(|change| change.delta_us).sum();
    assert!((told - (all(&head) - all(&base))).abs() < 1e-9, "{told}");
}

/// Operators that patterns are about, and one that none is.
fn any_graph() -> impl Strategy<Value = Side> {
    let mut keys: Vec<String> = patterns()
        .fusions
        .iter()
        .flat_map(|fusion| fusion.into.iter().chain(fusion.from.iter().flatten().flat_map(|part| &part.any)))
        .map(|key| key.0.clone())
        .collect();
    keys.extend(["ai.onnx:Reshape", "ai.onnx:Cast", "ai.onnx:Relu"].map(str::to_owned));
    keys.sort();
    keys.dedup();
    let counts = prop::collection::vec(prop_oneof![3 => Just(0_u32), 2 => 1..30_u32], keys.len());
    counts.prop_map(move |counts| {
        let ran = keys.iter().zip(counts).filter(|(_, count)| *count > 0);
        side(ran.map(|(key, count)| operator(key, count)).collect())
    })
}

fn totals(changes: &[StructuralChange]) -> BTreeMap<OperatorKey, i64> {
    let mut totals = BTreeMap::new();
    for operator in changes.iter().flat_map(|change| &change.operators) {
        *totals.entry(operator.key.clone()).or_default() += operator.executions;
    }
    totals.retain(|_, total| *total != 0);
    totals
}

proptest! {
    #[test]
    fn every_execution_goes_into_one_change(base in any_graph(), head in any_graph()) {
        let changes = changes_between(&base, &head);
        let mut truth: BTreeMap<OperatorKey, i64> = BTreeMap::new();
        for (side, sign) in [(&base, -1), (&head, 1)] {
            for operator in &side.operators {
                *truth.entry(operator.key.clone()).or_default() += sign * i64::from(operator.executions);
            }
        }
        truth.retain(|_, delta| *delta != 0);
        prop_assert_eq!(totals(&changes), truth);
        prop_assert_eq!(changes.is_empty(), compare(&base, &head).structure.is_empty());
    }

    #[test]
    fn exchanging_the_sides_exchanges_won_and_lost(base in any_graph(), head in any_graph()) {
        let fusions = |changes: &[StructuralChange], turned: bool| -> BTreeSet<(String, u32, bool)> {
            let fusion = |change: &StructuralChange| match &change.kind {
                ChangeKind::Fusion { pattern, won } => Some((pattern.clone(), change.nodes, *won != turned)),
                _ => None,
            };
            changes.iter().filter_map(fusion).collect()
        };
        let (there, back) = (changes_between(&base, &head), changes_between(&head, &base));
        prop_assert_eq!(fusions(&there, false), fusions(&back, true));
    }
}

/// Counts of real runs: `model -> level -> (operator, executions)`.
fn real_graphs() -> BTreeMap<String, BTreeMap<String, Vec<(String, u32)>>> {
    let mut graphs: BTreeMap<String, BTreeMap<String, Vec<(String, u32)>>> = BTreeMap::new();
    for line in include_str!("../../../tests/data/zoo-levels.tsv").lines().filter(|line| !line.starts_with('#')) {
        let [model, level, counts] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let count = |text: &str| {
            let (key, executions) = text.rsplit_once('=').unwrap();
            (key.to_owned(), executions.parse().unwrap())
        };
        let counts = counts.split(' ').map(count).collect();
        graphs.entry(model.to_owned()).or_default().insert(level.to_owned(), counts);
    }
    graphs
}

fn real_words(levels: &BTreeMap<String, Vec<(String, u32)>>, base: &str, head: &str) -> Vec<String> {
    let side = |level: &str| side(levels[level].iter().map(|(key, executions)| operator(key, *executions)).collect());
    words(&changes_between(&side(base), &side(head)))
}

const LEVELS: [&str; 4] = ["disable", "basic", "extended", "all"];

#[test]
fn real_graphs_from_level_to_level() {
    let mut said = String::new();
    for (model, levels) in real_graphs() {
        for pair in LEVELS.windows(2).chain([["basic", "all"].as_slice()]) {
            let there = real_words(&levels, pair[0], pair[1]);
            said += &format!("{model} {} -> {}: {}\n", pair[0], pair[1], there.join(", "));
        }
    }
    insta::assert_snapshot!(said);
}

#[test]
fn optimizing_wins_fusions_and_undoing_it_loses_the_same() {
    for (model, levels) in real_graphs() {
        let won = real_words(&levels, "basic", "all");
        let lost = real_words(&levels, "all", "basic");
        let fusions = |words: &[String], sign: char| {
            let of_sign = |word: &&String| word.contains(sign) && !word.contains(':');
            words.iter().filter(of_sign).cloned().collect::<BTreeSet<_>>()
        };
        assert!(!fusions(&won, '+').is_empty(), "{model}: {won:?}");
        let turned: BTreeSet<String> = fusions(&won, '+').iter().map(|word| word.replace('+', "-")).collect();
        let lost_names: BTreeSet<String> = lost.iter().filter(|word| turned.contains(*word)).cloned().collect();
        assert_eq!(lost_names, turned, "{model}: {lost:?}");
        // What no pattern explains is the exception.
        let alone = won.iter().filter(|word| word.contains(':')).count();
        assert!(alone <= 1, "{model}: {won:?}");
    }
}
