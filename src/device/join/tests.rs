use proptest::prelude::*;

use super::super::activity::What;
use super::super::clock::{Range, align};
use super::*;

/// A run that is made up, with what belongs to whom.
#[derive(Debug, Clone)]
struct Scene {
    nodes: Vec<HostNode>,
    calls: Vec<Call>,
    work: Vec<Work>,
    /// The node of each piece of work.
    truth: Vec<Result<usize, Why>>,
    run: (i64, i64),
    shift_ns: i64,
}

const THREAD: i64 = 77;

struct Author {
    random: fastrand::Rng,
    scene: Scene,
    /// The profile's clock.
    now_ns: i64,
    /// When each queue of the device is free, in the profile's clock.
    free_ns: [i64; 2],
    correlation: u32,
}

impl Author {
    fn scene(seed: u64) -> Scene {
        let mut random = fastrand::Rng::with_seed(seed);
        let shift_ns = -random.i64(1_000_000_000..2_000_000_000);
        let scene =
            Scene { nodes: Vec::new(), calls: Vec::new(), work: Vec::new(), truth: Vec::new(), run: (0, 0), shift_ns };
        let start_ns = random.i64(20_000..60_000);
        let mut author = Author { random, scene, now_ns: start_ns, free_ns: [0, 0], correlation: 100 };
        if author.random.bool() {
            author.between_nodes();
        }
        for _ in 0..author.random.usize(1..40) {
            author.node(None);
            if author.random.u8(0..12) == 0 {
                author.between_nodes();
            }
        }
        author.scene.run = (start_ns, author.now_ns.max(author.free_ns[0]).max(author.free_ns[1]) + 3_000);
        author.scene
    }

    fn node(&mut self, parent: Option<usize>) {
        self.now_ns += self.random.i64(0..3_000);
        let index = self.scene.nodes.len();
        let on_device = self.random.u8(0..5) > 0;
        let start_ns = self.now_ns;
        self.scene.nodes.push(HostNode { thread: THREAD, start_ns, end_ns: start_ns, parent, on_device });
        self.now_ns += self.random.i64(200..2_000);
        if parent.is_none() && self.random.u8(0..7) == 0 {
            for _ in 0..self.random.usize(1..6) {
                self.node(Some(index));
            }
        } else if on_device {
            for _ in 0..self.random.usize(0..4) {
                self.launch(Ok(index));
            }
        }
        self.now_ns += self.random.i64(100..8_000);
        self.scene.nodes[index].end_ns = self.now_ns;
    }

    /// A call that no node made, too far from any to be taken for one's, and work that nobody is seen to ask for.
    fn between_nodes(&mut self) {
        self.now_ns += TOLERANCE_NS + 10;
        self.launch(Err(Why::NoNode));
        self.now_ns += TOLERANCE_NS + 10;
        self.launch(Err(Why::NoCall));
    }

    fn launch(&mut self, owner: Result<usize, Why>) {
        self.correlation += 1;
        let (start_ns, length) = (self.now_ns, self.random.i64(500..6_000));
        self.now_ns += length;
        if owner != Err(Why::NoCall) {
            self.call(Api::Runtime, start_ns, self.now_ns);
            if self.random.bool() {
                self.call(Api::Driver, start_ns + length / 4, self.now_ns - length / 4);
            }
        }
        let queue = self.random.usize(0..2);
        let begins = self.free_ns[queue].max(start_ns + length / 2);
        let ends = begins + self.random.i64(300..20_000);
        self.free_ns[queue] = ends;
        self.scene.work.push(Work {
            what: What::Kernel { name: 0 },
            start_ns: (begins - self.scene.shift_ns) as u64,
            end_ns: (ends - self.scene.shift_ns) as u64,
            device: 0,
            stream: queue as u32,
            correlation: self.correlation,
        });
        self.scene.truth.push(owner);
    }

    fn call(&mut self, api: Api, start_ns: i64, end_ns: i64) {
        self.scene.calls.push(Call {
            api,
            function: 211,
            start_ns: (start_ns - self.scene.shift_ns) as u64,
            end_ns: (end_ns - self.scene.shift_ns) as u64,
            thread: THREAD as u32,
            correlation: self.correlation,
        });
    }
}

impl Scene {
    fn joined(&self) -> Joined {
        join(&self.nodes, &self.calls, &self.work, self.shift_ns, self.run)
    }

    /// The same records in another order.
    fn shuffled(&self, seed: u64) -> Scene {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut scene = self.clone();
        random.shuffle(&mut scene.calls);
        let mut pieces: Vec<_> = scene.work.iter().copied().zip(scene.truth.iter().copied()).collect();
        random.shuffle(&mut pieces);
        (scene.work, scene.truth) = pieces.into_iter().unzip();
        scene
    }

    /// The same with calls moved about, so that they lie at edges, between nodes and across them.
    fn blurred(&self, seed: u64, most_ns: i64) -> Scene {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut scene = self.clone();
        for call in &mut scene.calls {
            let by = random.i64(-most_ns..=most_ns);
            call.start_ns = call.start_ns.saturating_add_signed(by);
            call.end_ns = call.end_ns.saturating_add_signed(by);
        }
        scene
    }
}

/// Who owns what, by looking at each call and each node.
fn plainly(scene: &Scene) -> Vec<Result<usize, Why>> {
    let depth = |mut node: HostNode| {
        let mut depth = 0;
        while let Some(parent) = node.parent {
            depth += 1;
            node = scene.nodes[parent];
        }
        depth
    };
    let owner = |work: &Work| {
        let calls = scene.calls.iter().filter(|call| call.correlation == work.correlation);
        let call = calls.min_by_key(|call| outer_first(call)).ok_or(Why::NoCall)?;
        let moment = (call.start_ns + (call.end_ns - call.start_ns) / 2) as i64 + scene.shift_ns;
        let ranks = scene.nodes.iter().enumerate().map(|(index, node)| rank(node, depth(*node), index, moment));
        let best = ranks.min().ok_or(Why::NoNode)?;
        if best.0 <= TOLERANCE_NS { Ok(best.3) } else { Err(Why::NoNode) }
    };
    scene.work.iter().map(owner).collect()
}

/// What each node's work adds up to under these owners, and the orphans.
fn sums(scene: &Scene, owners: &[Result<usize, Why>]) -> (Vec<(i64, u32)>, Vec<Orphan>) {
    let mut nodes = vec![(0, 0); scene.nodes.len()];
    let mut orphans = Vec::new();
    for (index, (work, owner)) in scene.work.iter().zip(owners).enumerate() {
        match owner {
            Ok(node) => {
                nodes[*node].0 += work.duration_ns() as i64;
                nodes[*node].1 += 1;
            }
            Err(why) => orphans.push(Orphan { work: index, why: *why }),
        }
    }
    (nodes, orphans)
}

fn shown(joined: &Joined) -> (Vec<(i64, u32)>, Vec<Orphan>) {
    (joined.nodes.iter().map(|node| (node.work_ns, node.pieces)).collect(), joined.orphans.clone())
}

proptest! {
    #[test]
    fn each_piece_of_work_goes_to_the_node_that_asked_for_it(seed in any::<u64>()) {
        let scene = Author::scene(seed);
        prop_assert_eq!(shown(&scene.joined()), sums(&scene, &scene.truth));
    }

    #[test]
    fn nothing_is_lost_and_nothing_counts_twice(seed in any::<u64>(), most_ns in 0_i64..20_000) {
        let scene = Author::scene(seed).blurred(seed, most_ns);
        let joined = scene.joined();
        let pieces: usize = joined.nodes.iter().map(|node| node.pieces as usize).sum();
        prop_assert_eq!(pieces + joined.orphans.len(), scene.work.len());
        let all: i64 = scene.work.iter().map(|work| work.duration_ns() as i64).sum();
        let owned: i64 = joined.nodes.iter().map(|node| node.work_ns).sum();
        let orphaned: i64 = joined.orphans.iter().map(|orphan| scene.work[orphan.work].duration_ns() as i64).sum();
        prop_assert_eq!(owned + orphaned, all);
        prop_assert_eq!(joined.busy_ns + joined.overlapping_ns, all);
        prop_assert_eq!(joined.busy_ns + joined.idle_ns, scene.run.1 - scene.run.0);
        let waited: i64 = joined.nodes.iter().map(|node| node.waited_ns).sum();
        prop_assert!(waited + joined.trailing_ns <= joined.idle_ns, "{waited} {joined:?}");
        prop_assert!(joined.exposed_ns <= joined.idle_ns, "{joined:?}");
    }

    #[test]
    fn the_plain_way_over_all_nodes_says_the_same(seed in any::<u64>(), most_ns in 0_i64..20_000) {
        let scene = Author::scene(seed).blurred(seed, most_ns);
        prop_assert_eq!(shown(&scene.joined()), sums(&scene, &plainly(&scene)));
    }

    #[test]
    fn the_order_of_records_does_not_matter(seed in any::<u64>()) {
        let scene = Author::scene(seed);
        let (one, other) = (scene.joined(), scene.shuffled(seed).joined());
        prop_assert_eq!(&one.nodes, &other.nodes);
        prop_assert_eq!((one.busy_ns, one.idle_ns, one.exposed_ns), (other.busy_ns, other.idle_ns, other.exposed_ns));
        prop_assert_eq!(one.orphans.len(), other.orphans.len());
    }

    #[test]
    fn where_a_clock_begins_does_not_matter(seed in any::<u64>(), by in 0_u64..1 << 40) {
        let scene = Author::scene(seed);
        let mut later = scene.clone();
        later.shift_ns -= by as i64;
        later.calls.iter_mut().for_each(|call| (call.start_ns, call.end_ns) = (call.start_ns + by, call.end_ns + by));
        later.work.iter_mut().for_each(|work| (work.start_ns, work.end_ns) = (work.start_ns + by, work.end_ns + by));
        prop_assert_eq!(scene.joined(), later.joined());
    }

    #[test]
    fn a_shift_that_is_found_attributes_as_the_true_one(seed in any::<u64>(), low in 0_i64..400_000, high in 0_i64..400_000) {
        let scene = Author::scene(seed);
        let made: Vec<Call> = scene.calls.iter().copied().filter(|call| {
            let owner = scene.work.iter().position(|work| work.correlation == call.correlation);
            owner.is_some_and(|index| scene.truth[index].is_ok())
        }).collect();
        let allowed = Range { low_ns: scene.shift_ns - low, high_ns: scene.shift_ns + high };
        let found = align(&scene.nodes, &made, allowed);
        prop_assert_eq!(found.contained, found.calls, "the true shift contains all");
        prop_assert!((allowed.low_ns..=allowed.high_ns).contains(&found.shift_ns));
        // A few nodes may fit at several places; many do not.
        if made.len() > 60 {
            let joined = join(&scene.nodes, &scene.calls, &scene.work, found.shift_ns, scene.run);
            prop_assert_eq!(shown(&joined).0, sums(&scene, &scene.truth).0);
        }
    }

    #[test]
    fn what_the_device_hides_is_what_counting_each_nanosecond_says(
        pieces in prop::collection::vec((0_u64..90, 0_u64..30), 0..8), cuts in prop::collection::btree_set(5_i64..95, 4..8), kinds in any::<u8>()
    ) {
        let cuts: Vec<i64> = cuts.into_iter().collect();
        let node = |index: usize, start_ns, end_ns, parent| {
            HostNode { thread: 1, start_ns, end_ns, parent, on_device: kinds >> index & 1 == 1 }
        };
        // The last two lie in the first.
        let nodes = [
            node(0, cuts[0], cuts[3], None),
            node(1, cuts[3], cuts.get(4).copied().unwrap_or(95), None),
            node(2, cuts[0], cuts[1], Some(0)),
            node(3, cuts[1], cuts[2], Some(0)),
        ];
        let work: Vec<Work> = pieces.iter().map(|&(start_ns, length)| Work {
            what: What::Set { bytes: 0 }, start_ns, end_ns: start_ns + length, device: 0, stream: 0, correlation: 0,
        }).collect();
        let joined = join(&nodes, &[], &work, 0, (0, 100));
        let innermost = |moment: i64| (0..4).rev().find(|&index| (nodes[index].start_ns..nodes[index].end_ns).contains(&moment));
        let busy = |moment: i64| work.iter().any(|work| (work.start_ns as i64..work.end_ns as i64).contains(&moment));
        for (index, node) in nodes.iter().enumerate() {
            let bare = (0..100).filter(|&moment| innermost(moment) == Some(index) && !busy(moment)).count() as i64;
            prop_assert_eq!(joined.nodes[index].exposed_ns, if node.on_device { 0 } else { bare }, "node {}", index);
        }
    }
}

fn node(start_ns: i64, end_ns: i64, parent: Option<usize>) -> HostNode {
    HostNode { thread: 1, start_ns, end_ns, parent, on_device: true }
}

fn call(start_ns: u64, end_ns: u64, correlation: u32) -> Call {
    Call { api: Api::Runtime, function: 211, start_ns, end_ns, thread: 1, correlation }
}

fn work(start_ns: u64, end_ns: u64, correlation: u32) -> Work {
    Work { what: What::Kernel { name: 0 }, start_ns, end_ns, device: 0, stream: 7, correlation }
}

#[test]
fn work_that_runs_long_after_its_node_is_still_its_own() {
    let nodes = [node(0, 10_000, None), node(10_000, 20_000, None)];
    let calls = [call(2_000, 6_000, 1), call(12_000, 15_000, 2)];
    let joined = join(&nodes, &calls, &[work(30_000, 70_000, 1), work(70_000, 75_000, 2)], 0, (0, 80_000));
    let [first, second] = [joined.nodes[0], joined.nodes[1]];
    assert_eq!((first.work_ns, first.launch_ns, first.waited_ns), (40_000, 4_000, 30_000));
    assert_eq!((second.work_ns, second.launch_ns, second.waited_ns), (5_000, 3_000, 0));
    assert_eq!((joined.busy_ns, joined.idle_ns, joined.trailing_ns), (45_000, 35_000, 5_000));
}

#[test]
fn a_launch_in_a_branch_is_the_branch_s_and_one_beside_it_the_outer_node_s() {
    let nodes = [node(0, 100_000, None), node(10_000, 40_000, Some(0)), node(50_000, 90_000, Some(0))];
    let calls = [call(12_000, 14_000, 1), call(44_000, 46_000, 2), call(60_000, 64_000, 3), call(95_000, 97_000, 4)];
    let all: Vec<Work> =
        (1..=4).map(|id| work(100_000 + u64::from(id) * 1_000, 100_500 + u64::from(id) * 1_000, id)).collect();
    let joined = join(&nodes, &calls, &all, 0, (0, 120_000));
    assert_eq!(joined.nodes.iter().map(|node| node.pieces).collect::<Vec<_>>(), [2, 1, 1]);
}

#[test]
fn a_launch_at_an_edge_is_that_of_the_node_around_its_middle_or_next_to_it() {
    let nodes = [node(0, 10_000, None), node(11_000, 20_000, None)];
    let owner = |start: u64, end: u64| {
        let joined = join(&nodes, &[call(start, end, 1)], &[work(50_000, 51_000, 1)], 0, (0, 60_000));
        joined.nodes.iter().position(|node| node.pieces == 1)
    };
    assert_eq!(owner(9_500, 10_300), Some(0), "its middle lies inside");
    assert_eq!(owner(10_100, 10_400), Some(0), "nearer to the first");
    assert_eq!(owner(10_600, 10_900), Some(1), "nearer to the second");
    assert_eq!(owner(21_000, 22_000), Some(1), "a microsecond behind the last");
    assert_eq!(owner(23_000, 24_000), None, "far behind it");
}

#[test]
fn a_call_within_a_call_counts_once() {
    let nodes = [node(0, 10_000, None)];
    let driver = Call { api: Api::Driver, ..call(3_000, 5_000, 1) };
    let joined = join(&nodes, &[driver, call(2_000, 6_000, 1)], &[work(8_000, 9_000, 1)], 0, (0, 10_000));
    assert_eq!((joined.nodes[0].launch_ns, joined.nodes[0].pieces), (4_000, 1));
}

#[test]
fn threads_are_matched_where_they_have_the_same_names() {
    let nodes = [HostNode { thread: 1, ..node(0, 10_000, None) }, HostNode { thread: 2, ..node(0, 10_000, None) }];
    let on = |thread: u32| {
        let calls = [Call { thread, ..call(2_000, 3_000, 1) }, Call { thread: 1, ..call(4_000, 5_000, 2) }];
        join(&nodes, &calls, &[work(20_000, 21_000, 1)], 0, (0, 30_000))
    };
    assert_eq!(on(2).nodes[1].pieces, 1);
    assert_eq!(on(9).orphans, [Orphan { work: 0, why: Why::NoNode }], "a thread that runs no node");
    let strange = [Call { thread: 4_096, ..call(2_000, 3_000, 1) }];
    let joined = join(&nodes[..1], &strange, &[work(20_000, 21_000, 1)], 0, (0, 30_000));
    assert_eq!(joined.nodes[0].pieces, 1, "no thread of the calls is one of the nodes'");
}

#[test]
fn a_host_node_is_exposed_where_the_device_has_nothing_to_do() {
    let host = HostNode { on_device: false, ..node(10_000, 30_000, None) };
    let nodes = [node(0, 10_000, None), host];
    let joined = join(&nodes, &[call(2_000, 3_000, 1)], &[work(5_000, 18_000, 1)], 0, (0, 40_000));
    assert_eq!((joined.nodes[1].exposed_ns, joined.exposed_ns, joined.idle_ns), (12_000, 12_000, 27_000));
}

#[test]
fn a_run_without_any_work_is_all_idle() {
    let joined = join(&[node(0, 10, None)], &[], &[], 0, (0, 40));
    assert_eq!((joined.busy_ns, joined.idle_ns, joined.trailing_ns), (0, 40, 40));
    assert_eq!(join(&[], &[], &[work(1, 2, 3)], 0, (0, 10)).orphans, [Orphan { work: 0, why: Why::NoCall }]);
}
