//! Inputs from `.npy` and `.npz` files: any byte order, rows or columns first, checked against the declaration.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, TypeStr};

use super::element::{ElementType, InputData};
use super::{InputError, InputFiles, Wanted, element_count};
use crate::onnx::inspect::Dim;

/// One array as read.
pub(super) struct Array {
    pub shape: Vec<u64>,
    pub data: InputData,
}

/// Reads all the files of a request; the arrays fit the inputs of their names.
pub(super) fn read(files: &InputFiles, wanted: &[Wanted], model: &str) -> Result<BTreeMap<String, Array>, InputError> {
    match files {
        InputFiles::None => Ok(BTreeMap::new()),
        InputFiles::Archive(path) => archive(path, wanted, model),
        InputFiles::Arrays(paths) => {
            let mut arrays = BTreeMap::new();
            for (name, path) in paths {
                let origin = path.display().to_string();
                let input = wanted.iter().find(|input| &input.name == name);
                let input = input.ok_or_else(|| unknown_input(&origin, name, wanted, model))?;
                let mut reader = open(path)?;
                arrays.insert(name.clone(), array(&mut reader, &Target { origin, model, input })?);
            }
            Ok(arrays)
        }
    }
}

fn open(path: &Path) -> Result<BufReader<File>, InputError> {
    match File::open(path) {
        Ok(file) => Ok(BufReader::new(file)),
        Err(source) => Err(InputError::Unreadable { file: path.to_owned(), source }),
    }
}

fn unknown_input(origin: &str, name: &str, wanted: &[Wanted], model: &str) -> InputError {
    let inputs: Vec<&str> = wanted.iter().map(|input| input.name.as_str()).collect();
    InputError::UnknownInput {
        origin: origin.to_owned(),
        name: name.to_owned(),
        model: model.to_owned(),
        inputs: inputs.join(", "),
    }
}

fn archive(path: &Path, wanted: &[Wanted], model: &str) -> Result<BTreeMap<String, Array>, InputError> {
    let broken = |problem: zip::result::ZipError| InputError::NotNumpy {
        origin: path.display().to_string(),
        expected: "archive",
        problem: problem.to_string(),
    };
    let mut zip = zip::ZipArchive::new(open(path)?).map_err(broken)?;
    let mut entries: Vec<String> = Vec::new();
    for name in zip.file_names() {
        entries.extend(npyz::npz::array_name_from_file_name(&name.map_err(broken)?).map(str::to_owned));
    }
    let has = |name: &String| entries.contains(name);
    let missing: Vec<&str> = wanted.iter().filter(|it| !has(&it.name)).map(|it| it.name.as_str()).collect();
    if !missing.is_empty() {
        let entries = if entries.is_empty() { "none".to_owned() } else { entries.join(", ") };
        let (file, model) = (path.to_owned(), model.to_owned());
        return Err(InputError::MissingEntries { file, model, missing: missing.join(", "), entries });
    }
    if let Some(extra) = entries.iter().find(|name| !wanted.iter().any(|input| &input.name == *name)) {
        return Err(unknown_input(&path.display().to_string(), extra, wanted, model));
    }
    let mut arrays = BTreeMap::new();
    for input in wanted {
        let mut entry = zip.by_name(&npyz::npz::file_name_from_array_name(&input.name)).map_err(broken)?;
        let origin = format!("{}, entry `{}`", path.display(), input.name);
        arrays.insert(input.name.clone(), array(&mut entry, &Target { origin, model, input })?);
    }
    Ok(arrays)
}

/// What an array is read for, and from where.
struct Target<'a> {
    origin: String,
    model: &'a str,
    input: &'a Wanted,
}

impl Target<'_> {
    fn not_numpy(&self, problem: impl ToString) -> InputError {
        InputError::NotNumpy { origin: self.origin.clone(), expected: "array", problem: problem.to_string() }
    }
}

fn array(reader: &mut impl Read, target: &Target<'_>) -> Result<Array, InputError> {
    let header = NpyHeader::from_reader(&mut *reader).map_err(|problem| target.not_numpy(problem))?;
    let kind = fitting_type(&header, target)?;
    let shape = fitting_shape(&header, target)?;
    let width = kind.num_bytes().filter(|&width| width > 0).ok_or_else(|| target.not_numpy("elements of no size"))?;
    let count = element_count(&shape, target.input.element);
    let total = count.and_then(|count| count.checked_mul(width)).ok_or_else(|| InputError::TooLarge {
        model: target.model.to_owned(),
        input: target.input.name.clone(),
        shape: shape.clone(),
    })?;
    // Grows as bytes arrive: a header that announces more than there is allocates nothing.
    let mut bytes = Vec::new();
    let limit = u64::try_from(total).unwrap_or(u64::MAX);
    reader.take(limit).read_to_end(&mut bytes).map_err(|problem| target.not_numpy(problem))?;
    if bytes.len() < total {
        return Err(target.not_numpy(format!("cut off: {} of {total} bytes of values", bytes.len())));
    }
    if kind.endianness() == Endianness::Big {
        let unit = if kind.type_char() == TypeChar::UnicodeStr { 4 } else { width };
        bytes.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
    }
    if header.order() == Order::Fortran {
        bytes = rows_first(&bytes, &shape, width);
    }
    let data = match InputData::from_le_bytes(target.input.element, &bytes) {
        Some(data) => data,
        None => InputData::String(strings(&bytes, width, kind.type_char(), target)?),
    };
    Ok(Array { shape, data })
}

/// The array's type, if its elements are exactly what the input takes.
fn fitting_type(header: &NpyHeader, target: &Target<'_>) -> Result<TypeStr, InputError> {
    let wanted = target.input.element;
    let fits = |kind: &TypeStr| match wanted {
        ElementType::String => matches!(kind.type_char(), TypeChar::UnicodeStr | TypeChar::ByteStr),
        // NumPy has no bfloat16; ml_dtypes saves it as two raw bytes.
        ElementType::Bfloat16 => kind.type_char() == TypeChar::RawData && kind.size_field() == 2,
        _ => kind.type_char() == type_char(wanted) && Some(kind.size_field()) == wanted.bytes(),
    };
    match header.dtype() {
        DType::Plain(kind) if fits(&kind) => Ok(kind),
        other => Err(InputError::WrongType {
            origin: target.origin.clone(),
            model: target.model.to_owned(),
            input: target.input.name.clone(),
            found: other.descr().trim_matches('\'').to_owned(),
            wanted: wanted.name().to_owned(),
        }),
    }
}

fn type_char(element: ElementType) -> TypeChar {
    match element {
        ElementType::Bool => TypeChar::Bool,
        ElementType::Float16 | ElementType::Float32 | ElementType::Float64 => TypeChar::Float,
        ElementType::Uint8 | ElementType::Uint16 | ElementType::Uint32 | ElementType::Uint64 => TypeChar::Uint,
        ElementType::Int8 | ElementType::Int16 | ElementType::Int32 | ElementType::Int64 => TypeChar::Int,
        ElementType::Bfloat16 => TypeChar::RawData,
        ElementType::String => TypeChar::UnicodeStr,
    }
}

fn fitting_shape(header: &NpyHeader, target: &Target<'_>) -> Result<Vec<u64>, InputError> {
    let found = header.shape().to_vec();
    let Some(dims) = &target.input.dims else { return Ok(found) };
    let fits = |(dim, &size): (&Dim, &u64)| !matches!(dim, Dim::Fixed(fixed) if *fixed != size);
    if dims.len() == found.len() && dims.iter().zip(&found).all(fits) {
        return Ok(found);
    }
    let declared: Vec<String> = dims.iter().map(Dim::to_string).collect();
    Err(InputError::WrongShape {
        origin: target.origin.clone(),
        model: target.model.to_owned(),
        input: target.input.name.clone(),
        found,
        wanted: declared.join(", "),
    })
}

/// Elements stored with the first index running fastest, put in order with the last one running fastest.
fn rows_first(bytes: &[u8], shape: &[u64], width: usize) -> Vec<u8> {
    let shape: Vec<usize> = shape.iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect();
    let strides: Vec<usize> = shape
        .iter()
        .scan(width, |stride, &size| {
            let own = *stride;
            *stride *= size;
            Some(own)
        })
        .collect();
    let mut ordered = Vec::with_capacity(bytes.len());
    let mut index = vec![0; shape.len()];
    for _ in 0..bytes.len() / width {
        let at: usize = index.iter().zip(&strides).map(|(position, stride)| position * stride).sum();
        ordered.extend_from_slice(&bytes[at..at + width]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    ordered
}

/// Fixed-width texts, padded with zeros at the end: code points of four bytes, or UTF-8.
fn strings(bytes: &[u8], width: usize, kind: TypeChar, target: &Target<'_>) -> Result<Vec<String>, InputError> {
    let invalid = || target.not_numpy("a text that is not Unicode");
    let text = |bytes: &[u8]| {
        if kind == TypeChar::UnicodeStr {
            let points = bytes.as_chunks::<4>().0.iter().map(|&it| u32::from_le_bytes(it));
            let text: Option<String> = points.map(char::from_u32).collect();
            text.ok_or_else(invalid)
        } else {
            String::from_utf8(bytes.to_vec()).map_err(|_| invalid())
        }
    };
    bytes.chunks_exact(width).map(|it| text(it).map(|text| text.trim_end_matches('\0').to_owned())).collect()
}
