//! What the built-in models are for, and which of them the paper measured.

use serde::Serialize;

/// What a model is for: the headings of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// One label an image.
    ImageClassification,
    /// Boxes around objects, with or without their outlines.
    ObjectDetection,
    /// A label for each pixel.
    ImageSegmentation,
    /// Encoders and decoders of text.
    Language,
    /// Models of the user's.
    Other,
}

impl Task {
    /// The heading.
    pub const fn title(self) -> &'static str {
        match self {
            Task::ImageClassification => "Image classification",
            Task::ObjectDetection => "Object detection",
            Task::ImageSegmentation => "Image segmentation",
            Task::Language => "Language",
            Task::Other => "Other models",
        }
    }

    /// The task of a built-in model. A name begins with its family, up to the first hyphen.
    pub(super) fn of_built_in(name: &str) -> Task {
        let family = name.split('-').next().unwrap_or(name);
        FAMILIES.iter().find(|(_, families)| families.contains(&family)).map_or(Task::Other, |(task, _)| *task)
    }
}

const FAMILIES: [(Task, &[&str]); 4] = [
    (Task::ImageClassification, &["vit", "swin", "resnet"]),
    (Task::ObjectDetection, &["fasterrcnn", "maskrcnn", "detr"]),
    (Task::ImageSegmentation, &["maskformer", "segformer"]),
    (Task::Language, &["bert", "gpt2", "llama", "mixtral"]),
];

/// The models of NonGEMM Bench, by the names that they have here.
pub const PAPER_MODELS: [&str; 17] = [
    "vit-b-16",
    "vit-l-16",
    "vit-h-14",
    "swin-t",
    "swin-s",
    "swin-b",
    "fasterrcnn-resnet50-fpn",
    "maskrcnn-resnet50-fpn",
    "detr-resnet-50",
    "maskformer-swin-base",
    "segformer-b0",
    "bert-base",
    "gpt2",
    "gpt2-large",
    "gpt2-xl",
    "llama-2-7b",
    "mixtral-8x7b",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_model_has_a_task() {
        for model in crate::zoo::models() {
            assert_ne!(Task::of_built_in(model.name), Task::Other, "{} is of no family above", model.name);
        }
        assert_eq!(Task::of_built_in("bertram"), Task::Other);
    }
}
