//! ONNX Runtime JSON profile -> typed events, nesting and self time.
//!
//! [`Reader`] yields events borrowed from a window of the file, [`Tallies`] folds them run by run into one tally a
//! node, so that memory depends on the size of the model and not on the number of events. Takes bytes and plain values;
//! knows nothing of scenarios or launches.

mod args;
mod device;
mod distribution;
mod event;
mod nesting;
mod reader;
mod scan;
mod shapes;
mod tallies;

pub use device::{DeviceTally, DeviceUse};
pub use distribution::Distribution;
pub use event::{Category, Event, NameEncoding};
pub use nesting::{Interval, Nested, nest};
pub use reader::{ProfileError, Reader};
pub use shapes::{TensorList, tensor_list};
pub use tallies::{NodeTally, Run, Tallies};
