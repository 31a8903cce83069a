//! The processor: its name and the instruction-set level that baselines are kept apart by.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Cpu;

/// The instruction-set level of a processor: the classes between which ONNX Runtime's CPU kernels (MLAS) choose other
/// code. The names are part of baseline directories, so they never change and hold no hyphen.
///
/// Processors of one level still differ in speed; that is what normalized ratios are for. Processors of two levels run
/// *different kernels* for some operators and not for others, which no single machine factor can take out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstructionSet {
    /// A processor that this program does not know how to ask.
    #[default]
    Generic,
    /// x86-64 without AVX.
    Sse2,
    /// x86-64 with AVX but without AVX2 or FMA.
    Avx,
    /// x86-64 with AVX2 and FMA: 256-bit kernels.
    Avx2,
    /// AVX2 with AVX-VNNI: 8-bit dot products in 256 bits, client processors since 2021.
    AvxVnni,
    /// AVX-512 F, BW, DQ and VL: 512-bit kernels.
    Avx512,
    /// AVX-512 with VNNI: 8-bit dot products in 512 bits.
    Avx512Vnni,
    /// AVX-512 VNNI with AMX: 8-bit matrix products in tiles.
    Amx,
    /// arm64 as everywhere.
    Neon,
    /// arm64 with 8-bit dot products.
    DotProd,
    /// arm64 with 8-bit matrix products.
    I8mm,
    /// arm64 with scalable vectors (and 8-bit matrix products).
    Sve,
}

impl InstructionSet {
    /// The stable short name: `generic`, `sse2`, `avx`, `avx2`, `avxvnni`, `avx512`, `avx512vnni`, `amx`, `neon`,
    /// `dotprod`, `i8mm` or `sve`.
    pub fn name(self) -> &'static str {
        match self {
            InstructionSet::Generic => "generic",
            InstructionSet::Sse2 => "sse2",
            InstructionSet::Avx => "avx",
            InstructionSet::Avx2 => "avx2",
            InstructionSet::AvxVnni => "avxvnni",
            InstructionSet::Avx512 => "avx512",
            InstructionSet::Avx512Vnni => "avx512vnni",
            InstructionSet::Amx => "amx",
            InstructionSet::Neon => "neon",
            InstructionSet::DotProd => "dotprod",
            InstructionSet::I8mm => "i8mm",
            InstructionSet::Sve => "sve",
        }
    }

    /// The level that a set of extensions comes to on an architecture (both as Rust names them).
    pub(super) fn of(arch: &str, extensions: &[String]) -> InstructionSet {
        let has = |names: &[&str]| names.iter().all(|name| extensions.iter().any(|found| found == name));
        let ladder: &[(&[&str], InstructionSet)] = match arch {
            "x86_64" => &[
                (&["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni", "amx-int8"], InstructionSet::Amx),
                (&["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni"], InstructionSet::Avx512Vnni),
                (&["avx512f", "avx512bw", "avx512dq", "avx512vl"], InstructionSet::Avx512),
                (&["avx2", "fma", "avxvnni"], InstructionSet::AvxVnni),
                (&["avx2", "fma"], InstructionSet::Avx2),
                (&["avx"], InstructionSet::Avx),
                (&[], InstructionSet::Sse2),
            ],
            "aarch64" => &[
                (&["sve", "i8mm"], InstructionSet::Sve),
                (&["i8mm"], InstructionSet::I8mm),
                (&["dotprod"], InstructionSet::DotProd),
                (&[], InstructionSet::Neon),
            ],
            _ => &[],
        };
        ladder.iter().find(|(needed, _)| has(needed)).map_or(InstructionSet::Generic, |(_, level)| *level)
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The instruction-set level of this machine, for the fingerprint. Only what the operating system has enabled counts.
pub fn instruction_set() -> InstructionSet {
    InstructionSet::of(std::env::consts::ARCH, &extensions())
}

/// The processor's own name with its generation, such as `AMD EPYC 7763 64-Core Processor (family 25, model 1)`: under
/// a hypervisor the name alone may be as short as `AMD EPYC`. `None` where it cannot be asked.
pub fn cpu_model() -> Option<String> {
    #[cfg(target_arch = "x86_64")]
    {
        let cpuid = raw_cpuid::CpuId::new();
        if let (Some(brand), Some(kind)) = (cpuid.get_processor_brand_string(), cpuid.get_feature_info()) {
            let name = brand.as_str().split_whitespace().collect::<Vec<_>>().join(" ");
            let name = if name.is_empty() { "unnamed processor" } else { &name };
            return Some(format!("{name} (family {}, model {})", kind.family_id(), kind.model_id()));
        }
    }
    #[cfg(target_os = "linux")]
    return super::linux::System::this().arm_model();
    #[cfg(target_os = "macos")]
    return super::macos::cpu_model();
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    None
}

/// What the processor itself tells; cores and caches are the system's to fill in.
pub(super) fn gather() -> Cpu {
    let extensions = extensions();
    Cpu {
        model: cpu_model(),
        vendor: vendor(),
        instruction_set: InstructionSet::of(std::env::consts::ARCH, &extensions),
        x86_64_level: x86_64_level(),
        extensions,
        usable_cores: super::usable_cores(),
        logical_cores: None,
        physical_cores: None,
        last_level_cache_bytes: super::last_level_cache_bytes(),
    }
}

/// Extensions that ONNX Runtime's kernels ask for and that the operating system lets programs use.
#[cfg(target_arch = "x86_64")]
fn extensions() -> Vec<String> {
    use std::arch::is_x86_feature_detected as detected;
    let cpuid = raw_cpuid::CpuId::new();
    let leaf = cpuid.get_extended_feature_info();
    let avx2 = detected!("avx2");
    let table = [
        ("sse4.1", detected!("sse4.1")),
        ("avx", detected!("avx")),
        ("f16c", detected!("f16c")),
        ("fma", detected!("fma")),
        ("avx2", avx2),
        ("avxvnni", avx2 && leaf.as_ref().is_some_and(|leaf| leaf.has_avx_vnni())),
        ("avx512f", detected!("avx512f")),
        ("avx512bw", detected!("avx512bw")),
        ("avx512dq", detected!("avx512dq")),
        ("avx512vl", detected!("avx512vl")),
        ("avx512vnni", detected!("avx512vnni")),
        ("avx512bf16", detected!("avx512bf16")),
        ("amx-int8", leaf.as_ref().is_some_and(|leaf| leaf.has_amx_int8()) && tiles_enabled()),
        ("amx-bf16", leaf.as_ref().is_some_and(|leaf| leaf.has_amx_bf16()) && tiles_enabled()),
    ];
    table.into_iter().filter(|(_, found)| *found).map(|(name, _)| name.to_owned()).collect()
}

/// AMX needs an operating system that saves the tiles; on Linux its own list of flags says so.
#[cfg(target_arch = "x86_64")]
fn tiles_enabled() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = text.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    flags.split_whitespace().any(|flag| flag == "amx_int8")
}

#[cfg(target_arch = "aarch64")]
fn extensions() -> Vec<String> {
    use std::arch::is_aarch64_feature_detected as detected;
    let table = [
        ("fp16", detected!("fp16")),
        ("dotprod", detected!("dotprod")),
        ("bf16", detected!("bf16")),
        ("i8mm", detected!("i8mm")),
        ("sve", detected!("sve")),
        ("sve2", detected!("sve2")),
    ];
    table.into_iter().filter(|(_, found)| *found).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn extensions() -> Vec<String> {
    Vec::new()
}

/// The micro-architecture levels of the x86-64 psABI.
#[cfg(target_arch = "x86_64")]
fn x86_64_level() -> Option<u8> {
    use std::arch::is_x86_feature_detected as detected;
    let v2 = detected!("sse3")
        && detected!("ssse3")
        && detected!("sse4.1")
        && detected!("sse4.2")
        && detected!("popcnt")
        && detected!("cmpxchg16b");
    let v3 = v2
        && detected!("avx")
        && detected!("avx2")
        && detected!("bmi1")
        && detected!("bmi2")
        && detected!("f16c")
        && detected!("fma")
        && detected!("lzcnt")
        && detected!("movbe");
    let v4 = v3
        && detected!("avx512f")
        && detected!("avx512bw")
        && detected!("avx512cd")
        && detected!("avx512dq")
        && detected!("avx512vl");
    Some(1 + u8::from(v2) + u8::from(v3) + u8::from(v4))
}

#[cfg(not(target_arch = "x86_64"))]
fn x86_64_level() -> Option<u8> {
    None
}

#[cfg(target_arch = "x86_64")]
fn vendor() -> Option<String> {
    Some(raw_cpuid::CpuId::new().get_vendor_info()?.as_str().to_owned())
}

#[cfg(not(target_arch = "x86_64"))]
fn vendor() -> Option<String> {
    None
}

/// The hypervisor that the processor names.
#[cfg(target_arch = "x86_64")]
pub(super) fn hypervisor() -> Option<String> {
    use raw_cpuid::Hypervisor;
    let name = match raw_cpuid::CpuId::new().get_hypervisor_info()?.identify() {
        Hypervisor::KVM => "KVM",
        Hypervisor::Xen => "Xen",
        Hypervisor::VMware => "VMware",
        Hypervisor::HyperV => "Hyper-V",
        Hypervisor::QEMU => "QEMU",
        Hypervisor::Bhyve => "bhyve",
        Hypervisor::QNX => "QNX",
        Hypervisor::ACRN => "ACRN",
        _ => "unknown",
    };
    Some(name.to_owned())
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn hypervisor() -> Option<String> {
    None
}

/// The largest cache that the processor describes, for systems that do not tell.
#[cfg(all(target_arch = "x86_64", not(any(target_os = "linux", target_os = "macos"))))]
pub(super) fn last_level_cache_bytes() -> Option<u64> {
    let cpuid = raw_cpuid::CpuId::new();
    let bytes = |cache: raw_cpuid::CacheParameter| {
        let lines = u64::try_from(cache.sets() * cache.associativity() * cache.physical_line_partitions());
        Some(lines.ok()? * u64::try_from(cache.coherency_line_size()).ok()?)
    };
    cpuid.get_cache_parameters()?.filter_map(bytes).max()
}

#[cfg(not(any(target_arch = "x86_64", target_os = "linux", target_os = "macos")))]
pub(super) fn last_level_cache_bytes() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(arch: &str, extensions: &str) -> &'static str {
        let extensions: Vec<_> = extensions.split_whitespace().map(str::to_owned).collect();
        InstructionSet::of(arch, &extensions).name()
    }

    #[test]
    fn x86_levels_follow_the_kernels() {
        let avx512 = "avx avx2 fma avx512f avx512bw avx512dq avx512vl";
        assert_eq!(level("x86_64", ""), "sse2");
        assert_eq!(level("x86_64", "sse4.1 avx"), "avx");
        assert_eq!(level("x86_64", "avx avx2"), "avx");
        assert_eq!(level("x86_64", "avx avx2 fma"), "avx2");
        assert_eq!(level("x86_64", "avx avx2 fma avxvnni"), "avxvnni");
        assert_eq!(level("x86_64", "avx avx2 fma avx512f"), "avx2");
        assert_eq!(level("x86_64", avx512), "avx512");
        assert_eq!(level("x86_64", &format!("{avx512} avx512vnni avxvnni")), "avx512vnni");
        assert_eq!(level("x86_64", &format!("{avx512} avx512vnni amx-int8")), "amx");
    }

    #[test]
    fn arm_levels_follow_the_kernels() {
        assert_eq!(level("aarch64", ""), "neon");
        assert_eq!(level("aarch64", "fp16 dotprod"), "dotprod");
        assert_eq!(level("aarch64", "dotprod i8mm"), "i8mm");
        assert_eq!(level("aarch64", "dotprod i8mm sve"), "sve");
    }

    #[test]
    fn other_architectures_are_generic() {
        assert_eq!(level("riscv64", "avx2"), "generic");
    }

    #[test]
    fn names_are_fit_for_directories_and_equal_the_serialized_form() {
        for level in
            [InstructionSet::Generic, InstructionSet::AvxVnni, InstructionSet::DotProd, InstructionSet::Avx512Vnni]
        {
            assert!(level.name().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
            assert_eq!(serde_json::to_string(&level).unwrap(), format!("\"{level}\""));
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_level_of_this_processor_agrees_with_its_psabi_level() {
        let expected = match x86_64_level().unwrap() {
            4 => InstructionSet::Avx512..=InstructionSet::Amx,
            3 => InstructionSet::Avx2..=InstructionSet::AvxVnni,
            _ => InstructionSet::Sse2..=InstructionSet::Avx,
        };
        assert!(expected.contains(&instruction_set()));
    }
}
