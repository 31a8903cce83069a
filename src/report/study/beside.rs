//! The same model on the CPU and on a GPU.

use serde::Serialize;

use super::{Row, RowResult, Setting};
use crate::scenario::Provider;

/// Two rows of one model at one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Beside {
    /// The row on the CPU, by index into [`super::Study::rows`].
    pub cpu: usize,
    /// The row on CUDA.
    pub cuda: usize,
}

/// Every row on CUDA with the one on the CPU that it stands beside: the same model, size and optimization level, of the
/// same precision where there is one, since what is deployed on a GPU is another. Rows that failed have no share to compare.
pub(super) fn beside(rows: &[Row]) -> Vec<Beside> {
    let measured = |row: &Row| matches!(row.result, RowResult::Measured(_));
    let on =
        |provider| rows.iter().enumerate().filter(move |(_, row)| measured(row) && row.setting.provider == provider);
    let partner = |cuda: &Row| {
        let mut fitting: Vec<(usize, &Row)> =
            on(Provider::Cpu).filter(|(_, cpu)| is_same(&cpu.setting, &cuda.setting)).collect();
        fitting.sort_by_key(|(index, cpu)| (cpu.setting.precision != cuda.setting.precision, *index));
        fitting.first().map(|(index, _)| *index)
    };
    on(Provider::Cuda).filter_map(|(index, cuda)| Some(Beside { cpu: partner(cuda)?, cuda: index })).collect()
}

fn is_same(a: &Setting, b: &Setting) -> bool {
    let key = |s: &Setting| (s.model.clone(), s.batch, s.sequence, s.image, s.optimization);
    key(a) == key(b)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;
    use crate::report::study::{Piece, Study};

    #[test]
    fn rows_of_the_same_model_and_size_stand_beside_each_other() {
        let cpu = fixtures::report(&["gpt2", "vit-b-16"]);
        let mut cuda = fixtures::report(&["vit-b-16"]);
        fixtures::on_cuda(&mut cuda);
        let pieces = [Piece { name: "cpu.json", report: &cpu }, Piece { name: "cuda.json", report: &cuda }];
        let study = Study::of_suite(&pieces, &fixtures::FULL).unwrap();
        assert_eq!(study.beside.len(), 2, "batch 1 and 8");
        for Beside { cpu, cuda } in study.beside {
            let (cpu, cuda) = (&study.rows[cpu].setting, &study.rows[cuda].setting);
            assert_eq!((cpu.model.as_str(), cpu.batch), (cuda.model.as_str(), cuda.batch));
            assert_eq!((cpu.provider, cuda.provider), (Provider::Cpu, Provider::Cuda));
        }
        assert_eq!(fixtures::study(&cpu).beside, []);
    }
}
