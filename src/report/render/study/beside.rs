//! CPU against CUDA, model by model: how much larger the part of the other operators is where matrix products are fast.

use std::io::{self, Write};

use super::words;
use crate::report::render::markdown::escape::{code, plain};
use crate::report::render::number;
use crate::report::study::{Beside, Breakdown, Row, RowResult, Study};

/// Writes the table; nothing where no model was measured on both.
pub(super) fn render(study: &Study, writer: &mut dyn Write) -> io::Result<()> {
    let pairs: Vec<(&Row, &Breakdown, &Row, &Breakdown)> =
        study.beside.iter().filter_map(|pair| both(study, pair)).collect();
    if pairs.is_empty() {
        return Ok(());
    }
    writeln!(writer, "## CPU against CUDA\n")?;
    writeln!(
        writer,
        "| model | input | batch | CPU | ms | non-GEMM % | CUDA | ms | non-GEMM % | GPU at work % | waiting % |\n\
         | --- | --- | ---: | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |"
    )?;
    let mut gpus: Vec<&str> = Vec::new();
    for (cpu, on_cpu, cuda, on_cuda) in pairs {
        let gpu = on_cuda.gpu.as_ref();
        let part = |part: Option<f64>| part.map_or_else(String::new, words::points);
        let cells = [
            code(&cuda.setting.model),
            words::size(&cuda.setting),
            words::batch(&cuda.setting),
            cpu.setting.precision.name().to_owned(),
            words::milliseconds(on_cpu.latency_us),
            words::points(on_cpu.non_gemm),
            cuda.setting.precision.name().to_owned(),
            words::milliseconds(on_cuda.latency_us),
            words::points(on_cuda.non_gemm),
            part(gpu.and_then(|gpu| gpu.busy)),
            part(gpu.and_then(|gpu| gpu.idle)),
        ];
        writeln!(writer, "| {} |", cells.join(" | "))?;
        let name = gpu.and_then(|gpu| gpu.name.as_deref()).unwrap_or_default();
        if !name.is_empty() && !gpus.contains(&name) {
            gpus.push(name);
        }
    }
    let models = number::count(u64::try_from(gpus.len()).unwrap_or(u64::MAX), "GPU", "GPUs");
    if gpus.is_empty() { writeln!(writer) } else { writeln!(writer, "\n{models}: {}.\n", plain(&gpus.join(", "))) }
}

fn both<'a>(study: &'a Study, pair: &Beside) -> Option<(&'a Row, &'a Breakdown, &'a Row, &'a Breakdown)> {
    let measured = |index: usize| match &study.rows.get(index)?.result {
        RowResult::Measured(breakdown) => Some((&study.rows[index], breakdown)),
        RowResult::Failed { .. } => None,
    };
    let ((cpu, on_cpu), (cuda, on_cuda)) = (measured(pair.cpu)?, measured(pair.cuda)?);
    Some((cpu, on_cpu, cuda, on_cuda))
}
