//! What a saved report measured, as a side of a comparison.

use super::{Machine, Report, Summary};
use crate::summary::{Field, Side};

impl Report {
    /// A scenario of this report as a side of a comparison, with the machine class that the report was made on.
    pub fn side(&self, summary: &Summary) -> Side {
        let Machine { os, arch, instruction_set, .. } = &self.machine;
        let mut class = vec![
            Field::new("os", os),
            Field::new("arch", arch),
            Field::new("instruction-set", instruction_set),
            Field::new("provider", summary.scenario.provider.name()),
        ];
        let gpu = summary.gpu.as_ref().and_then(|gpu| gpu.name.as_ref());
        class.extend(gpu.map(|gpu| Field::new("gpu", gpu)));
        summary.side(class, &self.tool, &self.machine.cpu)
    }
}
