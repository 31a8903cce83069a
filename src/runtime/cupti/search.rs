//! Where CUPTI is looked for.

use std::path::{Path, PathBuf};

use super::CuptiError;

/// Folders to look into, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// Folders of the CUDA libraries in use, such as those of NVIDIA's wheels.
    pub cuda: Vec<PathBuf>,
    /// Folders of the loader's own search path, then of the system.
    pub system: Vec<PathBuf>,
}

/// Where toolkits keep CUPTI, relative to a folder of CUDA libraries (`lib64`, `targets/x86_64-linux/lib`) or of wheels
/// (`nvidia/cublas/lib` beside `nvidia/cuda_cupti/lib`).
const BESIDE: [&str; 4] = ["", "../extras/CUPTI/lib64", "../../../extras/CUPTI/lib64", "../../cuda_cupti/lib"];

impl Places {
    /// All folders, in the order in which they are looked into.
    fn folders(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let beside = |folder: &PathBuf| BESIDE.map(|beside| folder.join(beside));
        self.cuda.iter().chain(&self.system).flat_map(beside)
    }
}

/// CUPTI's library for a release of CUDA: beside the CUDA libraries in use, on the loader's path, in the system's folders.
///
/// # Errors
/// [`CuptiError::NotFound`], which names the folders that exist.
pub fn find(places: &Places, cuda_major: u32) -> Result<PathBuf, CuptiError> {
    let names = names(cuda_major);
    let mut looked: Vec<PathBuf> = Vec::new();
    for folder in places.folders().filter(|folder| folder.is_dir()) {
        if let Some(found) = names.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
            return Ok(found);
        }
        if let Some(library) = versioned(&folder) {
            return Ok(library);
        }
        looked.push(folder);
    }
    let package = if cuda_major >= 13 { "nvidia-cuda-cupti" } else { "nvidia-cuda-cupti-cu12" };
    Err(CuptiError::NotFound { names: names.join(" or "), places: looked, package })
}

/// Names under which the library is found, the most exact first.
fn names(cuda_major: u32) -> Vec<String> {
    if cfg!(windows) {
        return vec!["cupti.dll".to_owned()];
    }
    vec![format!("libcupti.so.{cuda_major}"), "libcupti.so".to_owned()]
}

/// A library that has no short name beside it: since 11, files are named by the year (`libcupti.so.2025.3.0`), and which CUDA
/// they are of cannot be told from that. Only taken where it is the only one.
fn versioned(folder: &Path) -> Option<PathBuf> {
    let names = std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let found: Vec<String> = names.filter(|name| name.starts_with("libcupti.so.20")).collect();
    match found.as_slice() {
        [only] => Some(folder.join(only)),
        _ => None,
    }
}

#[cfg(test)]
#[cfg(not(windows))]
mod tests {
    use super::*;

    fn touch(root: &Path, path: &str) -> PathBuf {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        path
    }

    fn found(root: &Path, cuda: &str, system: &str) -> Option<PathBuf> {
        let places = Places { cuda: vec![root.join(cuda)], system: vec![root.join(system)] };
        let path = find(&places, 13).ok()?;
        Some(path.canonicalize().unwrap())
    }

    #[test]
    fn it_is_found_where_toolkits_and_wheels_keep_it() {
        for (cuda, library) in [
            ("toolkit/lib64", "toolkit/extras/CUPTI/lib64/libcupti.so.13"),
            ("toolkit/targets/x86_64-linux/lib", "toolkit/targets/x86_64-linux/lib/libcupti.so.13"),
            ("nvidia/cu13/lib", "nvidia/cu13/lib/libcupti.so.13"),
            ("nvidia/cudnn/lib", "nvidia/cuda_cupti/lib/libcupti.so.13"),
            ("toolkit/lib64", "toolkit/lib64/libcupti.so.2025.3.0"),
        ] {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(root.path().join(cuda)).unwrap();
            let library = touch(root.path(), library).canonicalize().unwrap();
            assert_eq!(found(root.path(), cuda, "nowhere"), Some(library.clone()), "{cuda}");
        }
    }

    #[test]
    fn that_of_the_cuda_in_use_comes_before_the_system_s_and_before_another_release() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), "system/libcupti.so.13");
        touch(root.path(), "cuda/libcupti.so.12");
        assert!(found(root.path(), "cuda", "system").unwrap().ends_with("system/libcupti.so.13"));
        touch(root.path(), "cuda/libcupti.so.13");
        assert!(found(root.path(), "cuda", "system").unwrap().ends_with("cuda/libcupti.so.13"));
    }

    #[test]
    fn two_libraries_without_a_short_name_are_not_chosen_between() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), "cuda/libcupti.so.2022.3.0");
        touch(root.path(), "cuda/libcupti.so.2025.3.0");
        assert_eq!(found(root.path(), "cuda", "nowhere"), None);
    }

    #[test]
    fn where_there_is_none_the_folders_and_the_package_are_named() {
        let root = tempfile::tempdir().unwrap();
        let error =
            find(&Places { cuda: vec![root.path().to_owned()], system: Vec::new() }, 13).unwrap_err().to_string();
        for part in ["libcupti.so.13", &root.path().display().to_string(), "nvidia-cuda-cupti", "synchronous"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
