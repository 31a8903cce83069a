//! Finds the documents that make up a configuration, and reads each into a [`Layer`].

use std::ops::Range;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::error::{ConfigError, Diagnostic};
use super::raw::Raw;
use super::resolved::Origin;
use super::suggest::did_you_mean;

/// File name that is looked for.
pub const FILE_NAME: &str = "nongemm.toml";

/// Where to look for a configuration: what the command line says of it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The current directory; must be absolute.
    pub cwd: PathBuf,
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// `--manifest-path FILE`.
    pub manifest_path: Option<PathBuf>,
    /// `-p, --package NAME`.
    pub package: Option<String>,
}

/// One document with the place that it came from.
#[derive(Debug)]
pub(super) struct Layer {
    /// As shown: without the current directory before it.
    pub file: PathBuf,
    /// Directory that the document's paths are relative to.
    pub base: PathBuf,
    pub raw: Raw,
    text: String,
    /// Keys that lead to the configuration inside of the document.
    table: &'static [&'static str],
}

/// A step towards a value: a key, or a place in a list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step<'a> {
    Key(&'a str),
    At(usize),
}

/// The documents found, the first coming before the next, and the directory to start from where there are none.
#[derive(Debug)]
pub(super) struct Found {
    pub origin: Origin,
    pub layers: Vec<Layer>,
    pub root: PathBuf,
}

const PACKAGE: &[&str] = &["package", "metadata", "nongemm"];
const WORKSPACE: &[&str] = &["workspace", "metadata", "nongemm"];

/// Looks, in this order, at `--config`; at `nongemm.toml` in the project's directory and above it up to the root of the
/// repository; at the metadata of the package and of the workspace.
pub(super) fn find(request: &Request) -> Result<Found, ConfigError> {
    if let Some(path) = &request.config {
        return single(request.cwd.join(path), &request.cwd);
    }
    let start = match &request.manifest_path {
        Some(manifest) => request.cwd.join(manifest).parent().unwrap_or(&request.cwd).to_owned(),
        None => request.cwd.clone(),
    };
    let manifest = match &request.manifest_path {
        Some(manifest) => Some(request.cwd.join(manifest)),
        None => start.ancestors().map(|dir| dir.join("Cargo.toml")).find(|file| file.is_file()),
    };
    // With `-p` the search starts in that package; without, no process need be started before the file is looked for.
    let mut project = None;
    if let Some(package) = &request.package {
        let Some(manifest) = &manifest else {
            return Err(ConfigError::NoProject { package: package.clone(), dir: start });
        };
        project = Some(Project::ask(manifest, Some(package))?);
    }
    let dir = project.as_ref().and_then(Project::package_dir).unwrap_or(start);
    if let Some(file) = repository(&dir).map(|dir| dir.join(FILE_NAME)).find(|file| file.is_file()) {
        return single(file, &request.cwd);
    }
    let root = repository(&dir).find(|dir| dir.join(".git").exists()).unwrap_or(&dir).to_owned();
    let project = match (project, &manifest) {
        (Some(project), _) => project,
        (None, Some(manifest)) => Project::ask(manifest, None)?,
        (None, None) => return Ok(Found { origin: Origin::Default, layers: Vec::new(), root }),
    };
    let layers = project.layers(&request.cwd)?;
    let origin = match layers.as_slice() {
        [] => Origin::Default,
        layers => {
            let mut files: Vec<PathBuf> = layers.iter().map(|layer| layer.file.clone()).collect();
            files.dedup();
            Origin::Manifests(files)
        }
    };
    let root = layers.first().map_or(root, |layer| layer.base.clone());
    Ok(Found { origin, layers, root })
}

fn single(file: PathBuf, cwd: &Path) -> Result<Found, ConfigError> {
    let layer = Layer::parse(read(&file)?, &file, &[], cwd)?;
    let root = layer.base.clone();
    Ok(Found { origin: Origin::File(layer.file.clone()), layers: vec![layer], root })
}

/// The directory and those above it, to the root of the repository that it is in.
fn repository(dir: &Path) -> impl Iterator<Item = &Path> {
    let mut inside = true;
    dir.ancestors().take_while(move |dir| std::mem::replace(&mut inside, !dir.join(".git").exists()))
}

fn read(file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|source| ConfigError::Read { path: file.to_owned(), source })
}

/// The manifests that may hold metadata, as Cargo tells.
struct Project {
    package: Option<PathBuf>,
    workspace: PathBuf,
}

impl Project {
    fn ask(manifest: &Path, package: Option<&str>) -> Result<Project, ConfigError> {
        let metadata = MetadataCommand::new()
            .manifest_path(manifest)
            .no_deps()
            .exec()
            .map_err(|source| ConfigError::Cargo { manifest: manifest.to_owned(), source: Box::new(source) })?;
        let found = match package {
            Some(name) => {
                let known = || metadata.packages.iter().map(|package| package.name.as_str());
                let found = metadata.packages.iter().find(|package| package.name.as_str() == name);
                Some(found.ok_or_else(|| ConfigError::NoPackage {
                    package: name.to_owned(),
                    manifest: manifest.to_owned(),
                    hint: did_you_mean(name, known()),
                })?)
            }
            // The manifest of a virtual workspace belongs to no package.
            None => metadata.packages.iter().find(|package| {
                let theirs = package.manifest_path.as_std_path();
                theirs == manifest || same_file(theirs, manifest)
            }),
        };
        Ok(Project {
            package: found.map(|package| package.manifest_path.clone().into_std_path_buf()),
            workspace: metadata.workspace_root.join("Cargo.toml").into_std_path_buf(),
        })
    }

    fn package_dir(&self) -> Option<PathBuf> {
        self.package.as_deref().and_then(Path::parent).map(Path::to_owned)
    }

    fn layers(&self, cwd: &Path) -> Result<Vec<Layer>, ConfigError> {
        let places = self.package.iter().map(|file| (file, PACKAGE)).chain([(&self.workspace, WORKSPACE)]);
        let mut layers = Vec::new();
        for (file, table) in places {
            let text = read(file)?;
            if Layer::holds(&text, table) {
                layers.push(Layer::parse(text, file, table, cwd)?);
            }
        }
        Ok(layers)
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

impl Layer {
    /// Reads the configuration that stands under `table` in a document. The manifest's text is parsed again here, and
    /// not Cargo's JSON of it, so that errors can point at a line.
    pub(super) fn parse(
        text: String,
        file: &Path,
        table: &'static [&'static str],
        cwd: &Path,
    ) -> Result<Layer, ConfigError> {
        let raw = match DeTable::parse(&text) {
            Err(error) => Err(error),
            Ok(document) => {
                let mut value = Spanned::new(document.span(), DeValue::Table(document.into_inner()));
                for key in table {
                    value = child(value, key).unwrap_or_else(|| Spanned::new(0..0, DeValue::Table(DeTable::new())));
                }
                Raw::deserialize(ValueDeserializer::from(value))
            }
        };
        let base = file.parent().unwrap_or(cwd).to_owned();
        let file = file.strip_prefix(cwd).unwrap_or(file).to_owned();
        match raw {
            Ok(raw) => Ok(Layer { file, base, raw, text, table }),
            Err(error) => Err(Diagnostic::from_toml(&error, file, text).into()),
        }
    }

    fn holds(text: &str, table: &[&str]) -> bool {
        let Ok(document) = DeTable::parse(text) else { return false };
        let mut value = Spanned::new(document.span(), DeValue::Table(document.into_inner()));
        for key in table {
            match child(value, key) {
                Some(next) => value = next,
                None => return false,
            }
        }
        true
    }

    /// An error about the value that `path` leads to.
    pub(super) fn error(&self, path: &[Step<'_>], title: String, label: &str, help: Option<String>) -> ConfigError {
        let span = self.span(path).unwrap_or(0..0);
        let (file, text) = (self.file.clone(), self.text.clone());
        Diagnostic { file, text, span, title, label: label.to_owned(), help }.into()
    }

    /// Bytes of the value that `path` leads to, or of the nearest value around it that stands in the text.
    fn span(&self, path: &[Step<'_>]) -> Option<Range<usize>> {
        let document = DeTable::parse(&self.text).ok()?;
        let mut value = Spanned::new(document.span(), DeValue::Table(document.into_inner()));
        let steps = self.table.iter().map(|key| Step::Key(key)).chain(path.iter().copied());
        for step in steps {
            let span = value.span();
            let next = match step {
                Step::Key(key) => child(value, key),
                Step::At(index) => match value.into_inner() {
                    DeValue::Array(list) => list.into_iter().nth(index),
                    // One value in place of a list.
                    _ => return Some(span),
                },
            };
            match next {
                Some(next) => value = next,
                None => return Some(span),
            }
        }
        Some(value.span())
    }
}

fn child<'a>(value: Spanned<DeValue<'a>>, key: &str) -> Option<Spanned<DeValue<'a>>> {
    match value.into_inner() {
        DeValue::Table(table) => table.into_iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value),
        _ => None,
    }
}
