//! The nearest of several names, for a message that says "did you mean".

/// The candidate nearest to `wanted`, if any is near enough to be what was meant: a third of its letters may differ, or
/// it begins with `wanted`. Case does not count.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let letters = wanted.chars().count();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&wanted, &lower);
            let near = distance <= (letters / 3).max(1) || (letters >= 3 && lower.starts_with(&wanted));
            near.then_some((distance, candidate))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean `x`?`, or nothing: to be put behind a message about `wanted`.
pub fn did_you_mean<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wanted, candidates).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_found_and_strangers_are_not() {
        let names = ["bert-base", "gpt2", "gpt2-decode", "vit-b-16"];
        assert_eq!(nearest("brt-base", names), Some("bert-base"));
        assert_eq!(nearest("BERT-BASE", names), Some("bert-base"));
        assert_eq!(nearest("gtp2", names), Some("gpt2"));
        assert_eq!(nearest("bert", names), Some("bert-base"));
        assert_eq!(nearest("resnet50", names), None);
    }
}
