//! The models of a configuration: what `[suite] models` names and what `[[model]]` describes, brought together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::zoo::Tier;

use super::error::ConfigError;
use super::raw::{Many, RawInputs, RawModel};
use super::resolve::{Located, Surroundings, choices, counts, images, pick};
use super::resolved::{Dimensions, Inputs, Model, ModelSource, with_tier};
use super::source::{Layer, Step};
use super::suggest::{did_you_mean, nearest};

/// The suite's models in order, then those that are only described.
pub(super) fn resolve(layers: &[Layer], around: &Surroundings<'_>) -> Result<Vec<Model>, ConfigError> {
    let described = match pick(layers, |raw| raw.model.as_ref()) {
        Some((layer, list)) => describe(layer, list, around)?,
        None => Vec::new(),
    };
    let mut suite = Suite { models: Vec::new(), described };
    let mut tier = None;
    match named(layers)? {
        Some((layer, Named::Models(entries))) => {
            for (index, entry) in entries.iter().enumerate() {
                let path = [Step::Key("suite"), Step::Key("models"), Step::At(index)];
                suite.add_entry(layer, entry, &path, around)?;
            }
        }
        Some((_, Named::Tier(named))) => tier = Some(named),
        // Whoever describes files of their own and names no suite means those files.
        None if suite.described.iter().any(is_file) => {}
        None => tier = Some(Tier::Quick),
    }
    let Suite { mut models, described } = suite;
    let (files, only_described): (Vec<Model>, Vec<Model>) = described.into_iter().partition(is_file);
    models.extend(files.into_iter().map(|model| Model { in_suite: true, ..model }));
    models.extend(only_described);
    Ok(match tier {
        Some(tier) => with_tier(models, tier, around.zoo),
        None => models,
    })
}

/// How a document says which built-in models the suite runs.
enum Named<'a> {
    Models(&'a [String]),
    Tier(Tier),
}

/// What the first document says that says anything of it. One that says it in both ways contradicts itself.
fn named(layers: &[Layer]) -> Result<Option<(&Layer, Named<'_>)>, ConfigError> {
    for layer in layers {
        return match (&layer.raw.suite.models, layer.raw.suite.tier) {
            (None, None) => continue,
            (Some(Many(entries)), None) => Ok(Some((layer, Named::Models(entries)))),
            (None, Some(tier)) => Ok(Some((layer, Named::Tier(tier)))),
            (Some(_), Some(tier)) => {
                let path = [Step::Key("suite"), Step::Key("tier")];
                let title = "`suite.tier` and `suite.models` both say which models the suite runs".to_owned();
                let help = format!(
                    "delete one; files go under [[model]] beside a tier, and `--tier {tier}` runs the tier for once"
                );
                Err(layer.error(&path, title, "`models` stands here too", Some(help)))
            }
        };
    }
    Ok(None)
}

fn is_file(model: &Model) -> bool {
    matches!(model.source, ModelSource::File(_))
}

/// The suite while it is put together.
struct Suite {
    /// Named so far.
    models: Vec<Model>,
    /// Described, and not named yet.
    described: Vec<Model>,
}

impl Suite {
    fn take(&mut self, name: &str) -> Option<Model> {
        let index = self.described.iter().position(|model| model.name == name)?;
        Some(self.described.remove(index))
    }

    fn has(&self, name: &str) -> bool {
        self.models.iter().any(|model| model.name == name)
    }

    fn add_entry(
        &mut self,
        layer: &Layer,
        entry: &str,
        path: &[Step<'_>],
        around: &Surroundings<'_>,
    ) -> Result<(), ConfigError> {
        if looks_like_path(entry) {
            return self.add_files(layer, entry, path, around);
        }
        let zoo = around.zoo.iter().map(|row| row.name);
        let known: BTreeSet<String> =
            zoo.chain(self.described.iter().map(|model| model.name.as_str())).map(str::to_owned).collect();
        if !has_wildcard(entry) {
            if self.has(entry) {
                return Err(layer.error(path, format!("`{entry}` is named twice"), "in the suite already", None));
            }
            if !known.contains(entry) {
                let title = format!("`{entry}` is neither a built-in model nor one described under [[model]]");
                let label = nearest(entry, known.iter().map(String::as_str))
                    .map(|name| format!("did you mean `{name}`?"))
                    .unwrap_or_default();
                let help = "`cargo nongemm list models` lists the built-in models; a file's name ends in .onnx";
                return Err(layer.error(path, title, &label, Some(help.to_owned())));
            }
        }
        let glob = match globset::Glob::new(entry) {
            Ok(glob) => glob.compile_matcher(),
            Err(error) => return Err(layer.error(path, format!("not a glob: {}", error.kind()), "", None)),
        };
        let matching: Vec<&String> = known.iter().filter(|name| glob.is_match(name)).collect();
        if matching.is_empty() {
            return Err(layer.error(path, format!("no model is named like `{entry}`"), "matches nothing", None));
        }
        for name in matching {
            if self.has(name) {
                continue;
            }
            let row = || around.zoo.iter().find(|row| row.name == name.as_str()).map(Model::from);
            if let Some(model) = self.take(name).or_else(row) {
                self.models.push(Model { in_suite: true, ..model });
            }
        }
        Ok(())
    }

    fn add_files(
        &mut self,
        layer: &Layer,
        entry: &str,
        path: &[Step<'_>],
        around: &Surroundings<'_>,
    ) -> Result<(), ConfigError> {
        for file in files(layer, entry, path, around)? {
            if self.models.iter().any(|model| model.source == ModelSource::File(file.clone())) {
                continue;
            }
            let described = self.described.iter().position(|model| model.source == ModelSource::File(file.clone()));
            let model = match described {
                Some(index) => self.described.remove(index),
                None => {
                    let name = name_of_file(&file);
                    self.refuse_taken(layer, &name, &file, path, around)?;
                    Model::of_file(name, file)
                }
            };
            self.models.push(Model { in_suite: true, ..model });
        }
        Ok(())
    }

    fn refuse_taken(
        &self,
        layer: &Layer,
        name: &str,
        file: &Path,
        path: &[Step<'_>],
        around: &Surroundings<'_>,
    ) -> Result<(), ConfigError> {
        let owner = if around.zoo.iter().any(|row| row.name == name) {
            "a built-in model"
        } else if self.has(name) || self.described.iter().any(|model| model.name == name) {
            "another model"
        } else {
            return Ok(());
        };
        let title = format!("{} would be called `{name}`, as {owner} is", file.display());
        let help = format!("add a [[model]] with path = \"{}\" and a `name` of its own", file.display());
        Err(layer.error(path, title, "ids must differ", Some(help)))
    }
}

/// The `[[model]]` tables.
fn describe(layer: &Layer, list: &[RawModel], around: &Surroundings<'_>) -> Result<Vec<Model>, ConfigError> {
    // A file that a table names outright belongs to that table, whatever globs stand around it.
    let outright: BTreeSet<PathBuf> = list
        .iter()
        .filter_map(|raw| raw.path.as_deref())
        .filter(|path| !has_wildcard(path))
        .map(|path| around.place(&layer.base, path))
        .collect();
    let mut models: Vec<Model> = Vec::new();
    for (index, raw) in list.iter().enumerate() {
        let table = Table { layer, raw, path: [Step::Key("model"), Step::At(index)] };
        let new = match (&raw.path, &raw.name) {
            (Some(pattern), _) => table.describe_files(pattern, &outright, around)?,
            (None, Some(name)) => vec![table.describe_zoo(name, around)?],
            (None, None) => {
                let help = "`path` for a file, or `name` alone for a built-in model".to_owned();
                let title = "a [[model]] needs `path` or `name`".to_owned();
                return Err(layer.error(&table.path, title, "", Some(help)));
            }
        };
        for model in new {
            if models.iter().any(|other| other.name == model.name) {
                let title = format!("two [[model]] tables describe `{}`", model.name);
                let help = "give one of them another `name`, or put both into one table".to_owned();
                return Err(layer.error(&table.path, title, "the second", Some(help)));
            }
            models.push(model);
        }
    }
    Ok(models)
}

/// One `[[model]]` with its place.
struct Table<'a> {
    layer: &'a Layer,
    raw: &'a RawModel,
    path: [Step<'static>; 2],
}

impl Table<'_> {
    fn at(&self, key: &'static str) -> [Step<'static>; 3] {
        [self.path[0], self.path[1], Step::Key(key)]
    }

    fn describe_zoo(&self, name: &str, around: &Surroundings<'_>) -> Result<Model, ConfigError> {
        let Some(row) = around.zoo.iter().find(|row| row.name == name) else {
            let title =
                format!("`{name}` is no built-in model{}", did_you_mean(name, around.zoo.iter().map(|r| r.name)));
            let help = "for a file, add its `path`".to_owned();
            return Err(self.layer.error(&self.at("name"), title, "", Some(help)));
        };
        let refused = [
            ("dimensions", self.raw.dimensions.is_some(), "its sizes are `batch`, `sequence` and `image`"),
            ("inputs", self.raw.inputs.is_some(), "its inputs are made by the program"),
            ("weights", self.raw.weights.is_some(), "a built-in model's are always synthetic"),
            ("sequence", self.raw.sequence.is_some() && row.default_sequence.is_none(), "it takes no sequence"),
            ("image", self.raw.image.is_some() && row.default_image.is_none(), "it takes no image"),
            ("batch", self.raw.batch.is_some() && !row.has_batch, "its batch size cannot be chosen"),
        ];
        if let Some((key, _, why)) = refused.into_iter().find(|&(_, wrong, _)| wrong) {
            return Err(self.layer.error(&self.at(key), format!("`{key}` does not fit `{name}`: {why}"), "", None));
        }
        Ok(Model { own: self.own()?, ..Model::from(row) })
    }

    fn describe_files(
        &self,
        pattern: &str,
        outright: &BTreeSet<PathBuf>,
        around: &Surroundings<'_>,
    ) -> Result<Vec<Model>, ConfigError> {
        let mut found = files(self.layer, pattern, &self.at("path"), around)?;
        if has_wildcard(pattern) {
            found.retain(|file| !outright.contains(file));
        }
        if let (Some(name), true) = (&self.raw.name, found.len() > 1) {
            let title = format!("`{pattern}` matches {} files, which cannot all be called `{name}`", found.len());
            let help = "leave `name` out, or give the path of one file".to_owned();
            return Err(self.layer.error(&self.at("name"), title, "", Some(help)));
        }
        let own = self.own()?;
        let (dimensions, inputs) = (self.dimensions()?, self.inputs(around)?);
        let mut models = Vec::new();
        for file in found {
            let name = match &self.raw.name {
                Some(name) => self.checked_name(name)?,
                None => name_of_file(&file),
            };
            if around.zoo.iter().any(|row| row.name == name) {
                let title = format!("{} would be called `{name}`, as a built-in model is", file.display());
                let help = "give it another `name`".to_owned();
                return Err(self.layer.error(&self.at("path"), title, "ids must differ", Some(help)));
            }
            let (own, dimensions, inputs) = (own.clone(), dimensions.clone(), inputs.clone());
            let (source, weights) = (ModelSource::File(file), self.raw.weights);
            models.push(Model { name, source, in_suite: false, dimensions, inputs, weights, own });
        }
        Ok(models)
    }

    fn checked_name(&self, name: &str) -> Result<String, ConfigError> {
        let safe = safe_name(name);
        if safe == name {
            return Ok(safe);
        }
        let title = format!("`{name}` cannot be part of a file name; `{safe}` can");
        let help = "letters, digits, `.`, `_` and `-` are allowed".to_owned();
        Err(self.layer.error(&self.at("name"), title, "", Some(help)))
    }

    fn dimensions(&self) -> Result<BTreeMap<String, u64>, ConfigError> {
        let mut dimensions = BTreeMap::new();
        for (name, &size) in self.raw.dimensions.iter().flatten() {
            match u64::try_from(size) {
                Ok(size) => dimensions.insert(name.clone(), size),
                Err(_) => {
                    let path = [self.path[0], self.path[1], Step::Key("dimensions"), Step::Key(name)];
                    let title = format!("dimension `{name}` must be 0 or more");
                    return Err(self.layer.error(&path, title, "out of range", None));
                }
            };
        }
        Ok(dimensions)
    }

    fn inputs(&self, around: &Surroundings<'_>) -> Result<Option<Inputs>, ConfigError> {
        let file = |text: &str, path: &[Step<'_>]| {
            let file = around.place(&self.layer.base, text);
            if self.layer.base.join(text).is_file() {
                return Ok(file);
            }
            Err(self.layer.error(path, format!("there is no file {}", file.display()), "not found", None))
        };
        Ok(match &self.raw.inputs {
            None => None,
            Some(RawInputs::Npz(text)) => Some(Inputs::Npz(file(text, &self.at("inputs"))?)),
            Some(RawInputs::Npy(table)) => {
                let mut files = BTreeMap::new();
                for (input, text) in table {
                    let path = [self.path[0], self.path[1], Step::Key("inputs"), Step::Key(input)];
                    files.insert(input.clone(), file(text, &path)?);
                }
                Some(Inputs::Npy(files))
            }
        })
    }

    fn own(&self) -> Result<Dimensions, ConfigError> {
        fn with<'a, T>(layer: &'a Layer, value: &'a Option<T>) -> Option<Located<'a, T>> {
            value.as_ref().map(|value| (layer, value))
        }
        let (layer, raw) = (self.layer, self.raw);
        Ok(Dimensions {
            provider: choices(with(layer, &raw.provider), &self.at("provider"))?,
            precision: choices(with(layer, &raw.precision), &self.at("precision"))?,
            optimization: choices(with(layer, &raw.optimization), &self.at("optimization"))?,
            batch: counts(with(layer, &raw.batch), &self.at("batch"))?,
            sequence: counts(with(layer, &raw.sequence), &self.at("sequence"))?,
            image: images(with(layer, &raw.image), &self.at("image"))?,
            threads: counts(with(layer, &raw.threads), &self.at("threads"))?,
        })
    }
}

/// The files that a path or glob means, sorted. A file whose name holds a wildcard character is found as it is.
fn files(
    layer: &Layer,
    pattern: &str,
    path: &[Step<'_>],
    around: &Surroundings<'_>,
) -> Result<Vec<PathBuf>, ConfigError> {
    let literal = layer.base.join(pattern);
    if literal.is_file() {
        return Ok(vec![around.place(&layer.base, pattern)]);
    }
    if !has_wildcard(pattern) {
        let title = format!("there is no file {}", around.place(&layer.base, pattern).display());
        let help = format!("paths are relative to {}", layer.base.display());
        return Err(layer.error(path, title, "not found", Some(help)));
    }
    let base = glob::Pattern::escape(&layer.base.to_string_lossy());
    let paths = match glob::glob(&Path::new(&base).join(pattern).to_string_lossy()) {
        Ok(paths) => paths,
        Err(error) => return Err(layer.error(path, format!("not a glob: {}", error.msg), "", None)),
    };
    let found: Vec<PathBuf> = paths
        .filter_map(Result::ok)
        .filter(|file| file.is_file())
        .map(|file| around.place(&layer.base, file))
        .collect();
    if found.is_empty() {
        let help = format!("globs are relative to {}", layer.base.display());
        return Err(layer.error(path, format!("no file matches `{pattern}`"), "matches nothing", Some(help)));
    }
    Ok(found)
}

/// True for what names files rather than a model.
pub fn looks_like_path(text: &str) -> bool {
    text.contains(['/', '\\']) || text.ends_with(".onnx")
}

/// True for what is a pattern rather than a name.
pub fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// The name of a model file that is given none: its file name without `.onnx`, fit for a file name.
pub fn name_of_file(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    safe_name(name.strip_suffix(".onnx").unwrap_or(&name))
}

/// A name in which every character that a file name or a scenario id cannot hold is a dash.
pub fn safe_name(text: &str) -> String {
    let mut name = String::new();
    for letter in text.chars() {
        let safe = letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if safe {
            name.push(letter);
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_matches(['.', '-']);
    // File systems take 255 bytes; the rest is for the other dimensions and an extension.
    let name = name[..name.len().min(120)].trim_end_matches(['.', '-']);
    if name.is_empty() { "model".to_owned() } else { name.to_owned() }
}
