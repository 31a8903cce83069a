//! Symbols of kernels -> names that people know them by.

use cpp_demangle::{DemangleOptions, Symbol};

/// The name of a kernel without its namespaces, parameters and template arguments: `BroadcastBiasKernel` of
/// `_ZN11onnxruntime4cuda19BroadcastBiasKernelI6__halfiLb0EEEvPKT_PS3_lT0_`. Where the name says nothing, what it is made of
/// does: `cutlass_80_simt_sgemm_128x32_8x5_nn_align1` of CUTLASS's `Kernel2`, `_UnaryElementWise<OP_Gelu>` of ONNX Runtime's.
/// What is no C++ symbol stays as it is.
pub fn readable(symbol: &str) -> String {
    let options = DemangleOptions::new().no_params().no_return_type();
    let demangled = Symbol::new(symbol).ok().and_then(|parsed| parsed.demangle_with_options(&options).ok());
    demangled.map_or_else(|| symbol.to_owned(), |name| short(&name))
}

fn short(qualified: &str) -> String {
    let (path, arguments) = without_arguments(qualified);
    let mut segments = path.rsplit("::");
    let last = segments.next().unwrap_or(path.as_str()).trim();
    let first = arguments.split(',').next().unwrap_or_default();
    if ["Kernel", "Kernel2", "device_kernel", "kernel"].contains(&last) {
        return match (first.chars().next(), segments.next()) {
            (Some(letter), _) if letter.is_alphabetic() && first.contains('_') && !first.starts_with("__") => {
                without_arguments(first).0.rsplit("::").next().unwrap_or(first).to_owned()
            }
            (_, Some(outer)) => format!("{outer}::{last}"),
            _ => last.to_owned(),
        };
    }
    match operation(arguments) {
        Some(operation) => format!("{last}<{operation}>"),
        None => last.to_owned(),
    }
}

/// A name without what stands in angle brackets, and what the first of them hold.
fn without_arguments(name: &str) -> (String, &str) {
    let (mut path, mut depth) = (String::with_capacity(name.len()), 0_u32);
    let mut bounds: (Option<usize>, Option<usize>) = (None, None);
    for (at, letter) in name.char_indices() {
        match letter {
            '<' => {
                bounds.0.get_or_insert(at + 1);
                depth += 1;
            }
            '>' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    bounds.1.get_or_insert(at);
                }
            }
            _ if depth == 0 => path.push(letter),
            _ => {}
        }
    }
    let arguments = bounds.0.zip(bounds.1).and_then(|(start, end)| name.get(start..end)).unwrap_or_default();
    (path, arguments)
}

/// The first functor of ONNX Runtime's among template arguments: `OP_Gelu`.
fn operation(arguments: &str) -> Option<&str> {
    let start = arguments.find("::OP_")? + 2;
    let rest = arguments.get(start..)?;
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
    rest.get(..end)
}

/// Parts of names of kernels that multiply matrices or convolve, and of those that add up what these left in parts: cuBLAS,
/// cuBLASLt, cuDNN and CUTLASS name theirs so.
const PRODUCTS: [&str; 16] = [
    "gemm",
    "gemv",
    "nvjet",
    "xmma",
    "cutlass",
    "fprop",
    "dgrad",
    "convolve",
    "conv2d",
    "conv3d",
    "depthwise",
    "winograd",
    "splitkreduce",
    "dot_kernel",
    "fmha",
    "flash_fwd",
];

/// Whether a kernel of this name, as [`readable`] makes it, computes matrix products or convolutions. The kernels of an
/// operator such as Gemm need not: ONNX Runtime spreads the bias over the output with one of its own, and cuDNN turns layouts
/// around.
pub fn is_product(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PRODUCTS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernels that ten models ran on an H100.
    const RECORDED: &str = include_str!("../../tests/data/cuda/kernels.txt");

    #[test]
    fn recorded_kernels_have_short_names() {
        let mut names: Vec<String> = RECORDED.lines().map(readable).collect();
        names.sort_unstable();
        names.dedup();
        for name in &names {
            assert!(!name.contains("::") || name.contains("::kernel"), "{name}");
            assert!(!name.starts_with("_Z") && !name.contains(['(', ' ', ',']), "{name}");
        }
        let (products, others): (Vec<_>, Vec<_>) = names.iter().partition(|name| is_product(name));
        insta::assert_snapshot!(others.iter().map(|name| name.as_str()).collect::<Vec<_>>().join("\n"));
        assert!(products.iter().all(|name| !name.contains("ElementWise") && !name.contains("Norm")));
        assert!(products.len() > 100, "{}", products.len());
    }

    #[test]
    fn names_say_what_a_kernel_is() {
        for (symbol, name) in [
            ("_ZN11onnxruntime4cuda19BroadcastBiasKernelI6__halfiLb0EEEvPKT_PS3_lT0_", "BroadcastBiasKernel"),
            ("nvjet_sm90_hsh_64x24_64x16_2x4_h_badd_NNT", "nvjet_sm90_hsh_64x24_64x16_2x4_h_badd_NNT"),
            ("", ""),
            ("_Z", "_Z"),
            ("_ZN3foo", "_ZN3foo"),
        ] {
            assert_eq!(readable(symbol), name);
        }
        assert_eq!(
            short("cutlass::Kernel2<cutlass_80_simt_sgemm_128x32_8x5_nn_align1>"),
            "cutlass_80_simt_sgemm_128x32_8x5_nn_align1"
        );
        assert_eq!(short("internal::gemvx::kernel<int, int, __half>"), "gemvx::kernel");
        assert_eq!(short("a::_UnaryElementWise<__half, a::b::OP_Gelu<__half>, 256, 4>"), "_UnaryElementWise<OP_Gelu>");
        assert_eq!(short("a::(anonymous namespace)::NMSKernel"), "NMSKernel");
        assert_eq!(short("a<b"), "a");
    }

    #[test]
    fn products_are_told_from_what_runs_around_them() {
        for product in ["nvjet_sm90_hsh", "cutlass_75_wmma", "sm90_xmma_fprop", "splitKreduce_kernel", "gemvx::kernel"]
        {
            assert!(is_product(product), "{product}");
        }
        for other in [
            "BroadcastBiasKernel",
            "nchwToNhwcKernel",
            "op_generic_tensor_kernel",
            "fill",
            "_ScatterNDKernel",
            "_SplitKernel",
        ] {
            assert!(!is_product(other), "{other}");
        }
    }
}
