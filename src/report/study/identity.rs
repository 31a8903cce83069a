//! The dimensions of a scenario from its id: all that a report keeps of one that failed.

use clap::ValueEnum;

use super::{ScenarioId, Setting};

/// Reads an id as `Scenario::id` writes it.
pub(super) fn parse(id: &ScenarioId) -> Option<Setting> {
    let (model, rest) = id.0.rsplit_once('@')?;
    let mut parts = rest.split('-');
    let mut setting = Setting {
        model: model.to_owned(),
        provider: value(parts.next()?)?,
        precision: value(parts.next()?)?,
        optimization: value(parts.next()?)?,
        batch: None,
        sequence: None,
        image: None,
        threads: 0,
    };
    for part in parts {
        let (letter, size) = part.split_at_checked(1)?;
        match letter {
            "b" => setting.batch = Some(size.parse().ok()?),
            "s" => setting.sequence = Some(size.parse().ok()?),
            "i" => setting.image = Some(size.parse().ok()?),
            "t" => setting.threads = size.parse().ok()?,
            _ => return None,
        }
    }
    (setting.threads > 0).then_some(setting)
}

/// Providers, precisions and levels stand in ids by the name that they have on the command line.
fn value<T: ValueEnum>(name: &str) -> Option<T> {
    T::from_str(name, false).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{ImageSize, ModelRef, Optimization, Precision, Provider, Scenario};

    #[test]
    fn ids_are_read_as_they_are_written() {
        for &provider in Provider::value_variants() {
            for &precision in Precision::value_variants() {
                for &optimization in Optimization::value_variants() {
                    for (batch, sequence, image) in [
                        (None, None, None),
                        (Some(8), Some(128), None),
                        (Some(1), None, Some(ImageSize { height: 800, width: 1066 })),
                    ] {
                        let name = "my-model@v2".to_owned();
                        let scenario = Scenario {
                            model: ModelRef::Zoo { name: name.clone() },
                            provider,
                            precision,
                            optimization,
                            batch,
                            sequence,
                            image,
                            threads: 4,
                        };
                        let expected = Setting {
                            model: name,
                            provider,
                            precision,
                            optimization,
                            batch,
                            sequence,
                            image,
                            threads: 4,
                        };
                        assert_eq!(parse(&scenario.id()), Some(expected), "{}", scenario.id());
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_id_is_none() {
        for text in ["", "bert", "bert@", "bert@cpu-fp32-all", "bert@cpu-fp32-all-t0", "bert@npu-fp32-all-t1"] {
            assert_eq!(parse(&ScenarioId(text.into())), None, "{text}");
        }
        assert_eq!(parse(&ScenarioId("bert@cpu-fp32-all-é1-t1".into())), None);
    }
}
