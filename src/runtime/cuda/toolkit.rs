//! Where CUDA and cuDNN lie when the loader does not find them: NVIDIA's wheels in a Python installation, and toolkits.

use std::path::{Path, PathBuf};

use super::super::locate::ask_python;

/// Folders with libraries of CUDA, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Toolkit {
    folders: Vec<PathBuf>,
}

impl Toolkit {
    /// These folders.
    pub fn of(folders: Vec<PathBuf>) -> Toolkit {
        Toolkit { folders }
    }

    /// The folders of this machine: those that `CUDA_HOME` and `CUDA_PATH` name, the `nvidia` packages of the usual Python
    /// interpreters, `/usr/local/cuda`.
    pub fn from_environment() -> Toolkit {
        let named = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
        let mut folders: Vec<PathBuf> = named.flat_map(|root| in_toolkit(&root)).collect();
        for interpreter in ["python3", "python"] {
            let packages = ask_python(interpreter, "nvidia").unwrap_or_default();
            folders.extend(packages.iter().flat_map(|package| in_wheels(package)));
        }
        folders.extend(in_toolkit(Path::new("/usr/local/cuda")));
        let mut distinct: Vec<PathBuf> = Vec::new();
        for folder in folders {
            if !distinct.contains(&folder) {
                distinct.push(folder);
            }
        }
        Toolkit { folders: distinct }
    }

    /// The folders.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The first folder that holds a library of this name.
    pub(super) fn folder_of(&self, name: &str) -> Option<PathBuf> {
        self.folders.iter().find(|folder| folder.join(name).is_file()).cloned()
    }

    /// The library under the names of other releases: `libcudart.so.12` for `libcudart.so.13`.
    pub(super) fn other_releases(&self, name: &str) -> Vec<PathBuf> {
        let Some((stem, _)) = name.rsplit_once(".so.") else { return Vec::new() };
        let stem = format!("{stem}.so.");
        let mut found = Vec::new();
        for folder in &self.folders {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let paths = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&stem));
            found.extend(paths.map(|entry| entry.path()));
        }
        found.sort();
        found
    }
}

/// The library folders of a toolkit that exist.
fn in_toolkit(root: &Path) -> Vec<PathBuf> {
    let target = format!("targets/{}-linux/lib", std::env::consts::ARCH);
    ["lib64", target.as_str(), "bin"].iter().map(|part| root.join(part)).filter(|path| path.is_dir()).collect()
}

/// The library folders of NVIDIA's wheels: `nvidia/cu13/lib`, `nvidia/cudnn/lib`, `nvidia/cublas/lib` and so on.
fn in_wheels(package: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(package).into_iter().flatten().flatten();
    let part = if cfg!(windows) { "bin" } else { "lib" };
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path().join(part)).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_and_toolkits_have_their_folders() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["nvidia/cudnn/lib", "nvidia/cu13/lib", "nvidia/cu13/include", "cuda/lib64"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        if !cfg!(windows) {
            let wheels = ["nvidia/cu13/lib", "nvidia/cudnn/lib"].map(|folder| root.path().join(folder));
            assert_eq!(in_wheels(&root.path().join("nvidia")), wheels);
        }
        assert_eq!(in_toolkit(&root.path().join("cuda")), [root.path().join("cuda/lib64")]);
        assert!(in_toolkit(&root.path().join("nowhere")).is_empty());
    }

    #[test]
    fn a_library_is_found_in_the_first_folder_that_has_it_and_other_releases_are_seen() {
        let root = tempfile::tempdir().unwrap();
        let folders = ["first", "second"].map(|folder| root.path().join(folder));
        for folder in &folders {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("libcudnn.so.9"), "").unwrap();
        }
        std::fs::write(folders[1].join("libcudart.so.12"), "").unwrap();
        let toolkit = Toolkit::of(folders.to_vec());
        assert_eq!(toolkit.folder_of("libcudnn.so.9"), Some(folders[0].clone()));
        assert_eq!(toolkit.folder_of("libcudart.so.13"), None);
        assert_eq!(toolkit.other_releases("libcudart.so.13"), [folders[1].join("libcudart.so.12")]);
        assert!(toolkit.other_releases("nonsense").is_empty());
    }
}
