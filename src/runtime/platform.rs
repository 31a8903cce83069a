//! The builds of ONNX Runtime that package indexes have, pinned: version, file names and digests.
//!
//! The digests are of the *library inside* the package, not of the package: the library in the wheels of one release is
//! the same file whatever their Python tag, so the tag that is fetched does not matter.

/// The release that is installed by pip.
pub const PIP_VERSION: &str = "1.31.1";

/// The release that is installed by npm, whose packages follow later.
const NPM_VERSION: &str = "1.30.0";

/// A machine that ONNX Runtime is published for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Platform {
    /// Operating system and architecture as Rust names them, such as `linux-x86_64`.
    pub name: &'static str,
    /// The wheel's platform tag.
    pub pip_tag: &'static str,
    /// The library in the wheel.
    pub pip: Build<'static>,
    /// The library in the npm package.
    pub npm: Build<'static>,
    /// The library in the wheel with CUDA, where there is one.
    pub gpu: Option<Build<'static>>,
}

impl Platform {
    /// Whether there is a build with CUDA.
    pub fn has_gpu_build(&self) -> bool {
        self.gpu.is_some()
    }

    /// Path of the library in the wheel of another release, which names it alike.
    pub fn wheel_entry(&self, version: &str) -> String {
        self.pip.entry.replace(self.pip.version, version)
    }
}

/// One library in one package, with what it must be: pinned here, or as its wheel's own record has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Build<'a> {
    /// Release of the package and of the library in it.
    pub version: &'a str,
    /// Path in the archive.
    pub entry: &'a str,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: &'a str,
}

impl<'a> Build<'a> {
    /// The file name, in the archive and in the cache.
    pub fn file_name(&self) -> &'a str {
        self.entry.rsplit('/').next().unwrap_or(self.entry)
    }

    /// The directory in the archive, with its last slash.
    pub fn directory(&self) -> &'a str {
        &self.entry[..self.entry.len() - self.file_name().len()]
    }
}

const PLATFORMS: [Platform; 5] = [
    Platform {
        name: "linux-x86_64",
        pip_tag: "manylinux_2_28_x86_64",
        pip: Build {
            version: PIP_VERSION,
            entry: "onnxruntime/capi/libonnxruntime.so.1.31.1",
            size: 29_352_200,
            sha256: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
        },
        npm: Build {
            version: NPM_VERSION,
            entry: "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
            size: 45_828_512,
            sha256: "ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23",
        },
        gpu: Some(Build {
            version: PIP_VERSION,
            entry: "onnxruntime/capi/libonnxruntime.so.1.31.1",
            size: 29_421_832,
            sha256: "5104254339ecadae808da771bd0b63b240f0dbd466514234905e54372435c303",
        }),
    },
    Platform {
        name: "linux-aarch64",
        pip_tag: "manylinux_2_28_aarch64",
        pip: Build {
            version: PIP_VERSION,
            entry: "onnxruntime/capi/libonnxruntime.so.1.31.1",
            size: 25_265_040,
            sha256: "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
        },
        npm: Build {
            version: NPM_VERSION,
            entry: "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1",
            size: 25_135_496,
            sha256: "1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76",
        },
        gpu: None,
    },
    Platform {
        name: "macos-aarch64",
        pip_tag: "macosx_14_0_arm64",
        pip: Build {
            version: PIP_VERSION,
            entry: "onnxruntime/capi/libonnxruntime.1.31.1.dylib",
            size: 33_037_336,
            sha256: "d586cbe89effc085a09d3341b3cfbd5c322517f9d397aeb20814af21433f2b36",
        },
        npm: Build {
            version: NPM_VERSION,
            entry: "package/bin/napi-v6/darwin/arm64/libonnxruntime.1.30.0.dylib",
            size: 44_589_928,
            sha256: "685d2be5dba1309c89d3a5324b7fd06a5c42f1a61bfea32d14c4cc28d072121d",
        },
        gpu: None,
    },
    Platform {
        name: "windows-x86_64",
        pip_tag: "win_amd64",
        pip: Build {
            version: PIP_VERSION,
            entry: "onnxruntime/capi/onnxruntime.dll",
            size: 19_288_376,
            sha256: "e45f61e50d8650885452be538a00bb14a715e46a1bc3691000ce947e89ed0306",
        },
        npm: Build {
            version: NPM_VERSION,
            entry: "package/bin/napi-v6/win32/x64/onnxruntime.dll",
            size: 28_754_232,
            sha256: "508c362f5673483dd3a086379c392795b2e42d10d5e6f3f90ebd7ac21c97af67",
        },
        gpu: None,
    },
    Platform {
        name: "windows-aarch64",
        pip_tag: "win_arm64",
        pip: Build {
            version: PIP_VERSION,
            entry: "onnxruntime/capi/onnxruntime.dll",
            size: 19_171_640,
            sha256: "dc9e2fe646a72829386a24ac9185a7a4e26d7dbe5dc433d41df063603c00bbc7",
        },
        npm: Build {
            version: NPM_VERSION,
            entry: "package/bin/napi-v6/win32/arm64/onnxruntime.dll",
            size: 29_815_136,
            sha256: "6c3a2abf5c6aca11c48a0d338a91af309f2266f25ce2e4084e6a87bbcb0fbfd0",
        },
        gpu: None,
    },
];

/// Operating system and architecture of this program, such as `linux-x86_64`; with `-musl` where the C library is not
/// the one that the published builds need.
pub fn platform_name() -> String {
    let libc = if cfg!(target_env = "musl") { "-musl" } else { "" };
    format!("{}-{}{libc}", std::env::consts::OS, std::env::consts::ARCH)
}

/// The published builds for this machine, or `None` where there are none.
pub(super) fn current() -> Option<&'static Platform> {
    let name = platform_name();
    PLATFORMS.iter().find(|platform| platform.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_is_pinned_in_full() {
        for platform in &PLATFORMS {
            for pinned in [&platform.pip, &platform.npm].into_iter().chain(&platform.gpu) {
                let hexadecimal = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
                assert!(pinned.sha256.len() == 64 && pinned.sha256.chars().all(hexadecimal), "{}", platform.name);
                assert!(pinned.size > 10_000_000, "{}", platform.name);
                assert!(pinned.file_name().contains("onnxruntime") && pinned.directory().ends_with('/'));
            }
        }
    }

    #[test]
    fn no_two_builds_share_a_digest() {
        let builds = PLATFORMS.iter().flat_map(|p| [&p.pip, &p.npm].into_iter().chain(&p.gpu));
        let mut digests: Vec<_> = builds.map(|build| build.sha256).collect();
        let all = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all);
    }
}
