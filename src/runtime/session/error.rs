//! What ONNX Runtime refuses, read from its messages: it has few codes and many reasons.

use std::path::PathBuf;

use ort::ErrorCode;
use serde::{Deserialize, Serialize};

use super::super::cuda;

/// Why a session could not be had or could not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum SessionError {
    /// The library could not be loaded.
    #[error("ONNX Runtime library {}: {reason}; name another with --onnxruntime PATH", path.display())]
    Library {
        /// The library asked for.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// The provider is not in this build of ONNX Runtime, or finds no device.
    #[error("execution provider {provider} is not available: {reason}; `cargo nongemm doctor` lists what is")]
    Provider {
        /// ONNX Runtime's name of the provider.
        provider: String,
        /// What ONNX Runtime says.
        reason: String,
    },
    /// The bytes are no model, or end early.
    #[error("the model is corrupt, truncated or no ONNX model: {reason}; export it again")]
    CorruptModel {
        /// What ONNX Runtime says.
        reason: String,
    },
    /// The file does not exist.
    #[error("model file not found: {reason}")]
    NoModelFile {
        /// What ONNX Runtime says.
        reason: String,
    },
    /// The graph breaks ONNX's rules.
    #[error("the model is invalid: {reason}")]
    InvalidModel {
        /// What ONNX Runtime says.
        reason: String,
    },
    /// No registered kernel for a node, in any provider asked for.
    #[error(
        "no execution provider has operator {operator} of domain `{domain}`, opset {opset}, wanted by node `{node}`; \
         export the model for another opset or register the operator"
    )]
    UnknownOperator {
        /// Operator type.
        operator: String,
        /// Domain, `ai.onnx` for the default one.
        domain: String,
        /// Opset version that the model imports, where ONNX Runtime says.
        opset: String,
        /// Name of the first such node, where ONNX Runtime says.
        node: String,
    },
    /// A file of external data is missing, or is too short.
    #[error("external data of the model is missing or too short: {reason}; put the file beside the model")]
    MissingExternalData {
        /// What ONNX Runtime says.
        reason: String,
    },
    /// Memory ran out.
    #[error("out of memory: {reason}; use a smaller batch or a machine with more memory")]
    OutOfMemory {
        /// What ONNX Runtime says.
        reason: String,
    },
    /// The model has an input for which no tensor was given.
    #[error("input `{name}` of the model was given no tensor")]
    MissingInput {
        /// The input.
        name: String,
    },
    /// A tensor was given for an input that the model does not have.
    #[error("the model has no input `{name}`; it has: {declared}")]
    UnknownInput {
        /// The input given.
        name: String,
        /// The model's inputs.
        declared: String,
    },
    /// A tensor cannot be made or fed.
    #[error("input `{name}`: {reason}")]
    Input {
        /// The input.
        name: String,
        /// Why.
        reason: String,
    },
    /// A run failed.
    #[error("the model failed while running: {reason}")]
    Run {
        /// What ONNX Runtime says, with the node's name.
        reason: String,
    },
    /// ONNX Runtime wrote no profile.
    #[error("ONNX Runtime wrote no profile at {}; check that its directory can be written", stem.display())]
    NoProfile {
        /// Path that the profile's name should begin with.
        stem: PathBuf,
    },
    /// Anything else, in ONNX Runtime's words.
    #[error("ONNX Runtime refused the model: {reason}")]
    Other {
        /// What ONNX Runtime says.
        reason: String,
    },
}

impl SessionError {
    /// Sorts an error met while a session was built.
    pub(super) fn from_ort(error: ort::Error) -> SessionError {
        classify_load(error.code(), error.message())
    }

    /// Sorts an error met while a session ran.
    pub(super) fn from_run(error: ort::Error) -> SessionError {
        let reason = error.message().to_owned();
        match is_out_of_memory(&reason) {
            true => SessionError::OutOfMemory { reason },
            false => SessionError::Run { reason },
        }
    }

    /// The same with what helps, where it is about CUDA.
    pub(super) fn on_cuda(self) -> SessionError {
        let (SessionError::Other { reason } | SessionError::Run { reason } | SessionError::Provider { reason, .. }) =
            &self
        else {
            return self;
        };
        match cuda::remedy(reason) {
            Some(remedy) => SessionError::Provider {
                provider: "CUDAExecutionProvider".to_owned(),
                reason: format!("{reason}; {remedy}"),
            },
            None => self,
        }
    }
}

fn classify_load(code: ErrorCode, message: &str) -> SessionError {
    let reason = message.trim().to_owned();
    if let Some(unknown) = unknown_operator(&reason) {
        return unknown;
    }
    if is_out_of_memory(&reason) {
        return SessionError::OutOfMemory { reason };
    }
    let lower = reason.to_lowercase();
    if lower.contains("external data") || lower.contains("external_data") || lower.contains("external initializer") {
        return SessionError::MissingExternalData { reason };
    }
    if reason.contains("No graph was found in the protobuf") {
        return SessionError::CorruptModel { reason };
    }
    match code {
        ErrorCode::InvalidProtobuf | ErrorCode::NoModel => SessionError::CorruptModel { reason },
        ErrorCode::InvalidArgument if reason.starts_with("Invalid model.") => SessionError::InvalidModel { reason },
        ErrorCode::NoSuchFile => SessionError::NoModelFile { reason },
        ErrorCode::InvalidGraph => SessionError::InvalidModel { reason },
        _ => SessionError::Other { reason },
    }
}

fn is_out_of_memory(reason: &str) -> bool {
    let said = ["bad_alloc", "Failed to allocate memory", "out of memory", "smaller than requested bytes"];
    said.iter().any(|said| reason.contains(said))
}

/// Reads the three ways in which ONNX Runtime says that it has no such operator.
fn unknown_operator(reason: &str) -> Option<SessionError> {
    no_schema(reason).or_else(|| no_function(reason)).or_else(|| no_kernel(reason))
}

/// `In Node, ("name", Op, "domain", -1) : ... No Op registered for Op with domain_version of 17`, or for a domain that
/// the model does not import, `No opset import for domain 'd'`.
fn no_schema(reason: &str) -> Option<SessionError> {
    let opset = match reason.split_once("with domain_version of ") {
        Some((before, version)) if before.contains("No Op registered for ") => leading_number(version),
        _ if reason.contains("No opset import for domain ") => "none imported".to_owned(),
        _ => return None,
    };
    // The name is written as it is and may hold quotes, so the node's description is taken apart from its end.
    let (_, node) = reason.split_once("In Node, (\"")?;
    let (node, _) = node.split_once(") : (")?;
    let mut parts = node.rsplitn(4, ", ");
    let _since_version = parts.next()?;
    let domain = parts.next()?.trim_matches('"');
    let operator = parts.next()?;
    let name = parts.next()?;
    let name = name.strip_suffix('"').unwrap_or(name);
    Some(SessionError::UnknownOperator {
        operator: operator.to_owned(),
        domain: domain_or_default(domain),
        opset,
        node: name.to_owned(),
    })
}

/// `Fatal error: domain:Op(-1) is not a registered function/op`.
fn no_function(reason: &str) -> Option<SessionError> {
    let (before, _) = reason.split_once(" is not a registered function/op")?;
    let key = before.rsplit(' ').next()?;
    let (key, version) = key.rsplit_once('(')?;
    let (domain, operator) = key.rsplit_once(':')?;
    let version = version.trim_end_matches(')');
    let opset = if version == "-1" { "not stated".to_owned() } else { version.to_owned() };
    Some(SessionError::UnknownOperator {
        operator: operator.to_owned(),
        domain: domain_or_default(domain),
        opset,
        node: String::new(),
    })
}

/// `Could not find an implementation for Op(13) node with name 'name'`: the schema is known, no kernel takes its types.
fn no_kernel(reason: &str) -> Option<SessionError> {
    let (_, after) = reason.split_once("Could not find an implementation for ")?;
    let (operator, after) = after.split_once('(')?;
    let (version, after) = after.split_once(')')?;
    let node = after.split_once("node with name '").map_or("", |(_, name)| name.strip_suffix('\'').unwrap_or(name));
    let (domain, operator) = operator.rsplit_once(':').or_else(|| operator.rsplit_once('.')).unwrap_or(("", operator));
    Some(SessionError::UnknownOperator {
        operator: operator.to_owned(),
        domain: domain_or_default(domain),
        opset: version.to_owned(),
        node: node.to_owned(),
    })
}

fn domain_or_default(domain: &str) -> String {
    if domain.is_empty() { "ai.onnx".to_owned() } else { domain.to_owned() }
}

fn leading_number(text: &str) -> String {
    text.chars().take_while(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(operator: &str, domain: &str, opset: &str, node: &str) -> SessionError {
        SessionError::UnknownOperator {
            operator: operator.into(),
            domain: domain.into(),
            opset: opset.into(),
            node: node.into(),
        }
    }

    #[test]
    fn operators_that_no_provider_has_are_named() {
        let cases = [
            (
                "This is an invalid model. In Node, (\"nn \"q\"\", Frobnicate, \"\", -1) : (\"x\": tensor(float),) -> \
                 (\"y\": tensor(float),) , Error No Op registered for Frobnicate with domain_version of 17",
                unknown("Frobnicate", "ai.onnx", "17", "nn \"q\""),
            ),
            (
                "This is an invalid model. In Node, (\"nn\", Frob, \"my.dom\", -1) : (\"x\": tensor(float),) -> \
                 (\"y\": tensor(float),) , Error No opset import for domain 'my.dom'",
                unknown("Frob", "my.dom", "none imported", "nn"),
            ),
            (
                "Fatal error: my.dom:Frob(-1) is not a registered function/op",
                unknown("Frob", "my.dom", "not stated", ""),
            ),
            (
                "Could not find an implementation for Sin(7) node with name 'the sin'",
                unknown("Sin", "ai.onnx", "7", "the sin"),
            ),
        ];
        for (message, expected) in cases {
            assert_eq!(classify_load(ErrorCode::GenericFailure, message), expected, "{message}");
        }
    }

    #[test]
    fn other_refusals_are_told_apart() {
        let kind = |code, message: &str| match classify_load(code, message) {
            SessionError::CorruptModel { .. } => "corrupt",
            SessionError::MissingExternalData { .. } => "external",
            SessionError::OutOfMemory { .. } => "memory",
            SessionError::NoModelFile { .. } => "no file",
            SessionError::InvalidModel { .. } => "invalid",
            _ => "other",
        };
        let fail = ErrorCode::GenericFailure;
        assert_eq!(
            kind(ErrorCode::InvalidProtobuf, "Failed to load model because protobuf parsing failed."),
            "corrupt"
        );
        assert_eq!(kind(ErrorCode::InvalidArgument, "No graph was found in the protobuf."), "corrupt");
        assert_eq!(
            kind(fail, "External data path validation failed for initializer: w. External data path does not exist"),
            "external"
        );
        assert_eq!(kind(fail, "External initializer: w offset: 0 size to read: 24 given file_length: 3"), "external");
        assert_eq!(kind(fail, "Failed to allocate memory for requested buffer of size 26388279066624"), "memory");
        assert_eq!(kind(ErrorCode::NoSuchFile, "File doesn't exist"), "no file");
        assert_eq!(
            kind(ErrorCode::InvalidArgument, "Invalid model. Node input 'n' is not a graph input, initializer"),
            "invalid"
        );
        assert_eq!(kind(fail, "something else"), "other");
    }
}
