//! Shapes, names and totals of small graphs.

use super::*;

fn input(b: &mut GraphBuilder, dims: &[i64]) -> Value {
    b.input(&format!("x{}", b.graph.input.len()), DataType::Float, dims)
}

#[test]
fn shapes_follow_the_operators() {
    let mut b = GraphBuilder::new("test");
    let x = input(&mut b, &[2, 3, 8, 6]);
    let cases = [
        (b.reshape(&x, &[2, -1, 6]), vec![2, 24, 6]),
        (b.transpose(&x, &[0, 2, 3, 1]), vec![2, 8, 6, 3]),
        (b.unsqueeze(&x, &[0, 2]), vec![1, 2, 1, 3, 8, 6]),
        (b.slice(&x, 2, 1, -2), vec![2, 3, 5, 6]),
        (b.slice_by(&x, 3, 1, i64::MAX, 2), vec![2, 3, 8, 3]),
        (b.slice_by(&x, 3, 0, i64::MAX, 4), vec![2, 3, 8, 2]),
        (b.pad_end(&x, &[0, 0, 1, 2]), vec![2, 3, 9, 8]),
        (b.pick(&x, 1, 2), vec![2, 8, 6]),
        (b.concat(&[&x, &x, &x], -1), vec![2, 3, 8, 18]),
        (b.reduce_mean(&x, &[-1, -2]), vec![2, 3, 1, 1]),
        (b.resize_bilinear(&x, 16, 12), vec![2, 3, 16, 12]),
    ];
    for (value, dims) in cases {
        assert_eq!(value.dims(), dims, "{}", value.name);
    }
    assert_eq!(b.split(&x, 3, 3).iter().map(|part| part.dim(-1)).collect::<Vec<_>>(), [2, 2, 2]);
    let row = b.float(&[8, 1], &[0.0; 8]);
    assert_eq!(b.add(&row, &x).dims(), x.dims());
}

#[test]
fn functions_of_one_operand_keep_its_shape_and_type() {
    let mut b = GraphBuilder::new("test");
    let x = input(&mut b, &[2, 3]);
    let values = [b.neg(&x), b.sqrt(&x), b.reciprocal(&x), b.sigmoid(&x), b.cos(&x), b.sin(&x)];
    assert!(values.iter().all(|value| value.dims() == x.dims() && value.dtype() == x.dtype()));
    let graph = b.finish().model.graph.unwrap();
    let operators: Vec<&str> = graph.node.iter().map(|node| node.op_type()).collect();
    assert_eq!(operators, ["Neg", "Sqrt", "Reciprocal", "Sigmoid", "Cos", "Sin"]);
}

#[test]
fn parameters_and_products_are_counted() {
    let mut b = GraphBuilder::new("test");
    let x = input(&mut b, &[2, 4, 9, 9]);
    let weight = b.parameter("conv", &[6, 2, 3, 3], Init::FanIn(18));
    let image = b.conv(&x, &weight, None, ConvSpec { stride: 2, padding: 1, groups: 2 });
    assert_eq!(image.dims(), [2, 6, 5, 5]);
    let rows = b.reshape(&image, &[2, 150]);
    let weight = b.parameter("fc", &[10, 150], Init::FanIn(150));
    let bias = b.parameter("bias", &[10], Init::Around { centre: 0.0, half_width: 0.1 });
    b.gemm(&rows, &weight, &bias, GemmSpec::TransposedWeight);
    let left = input(&mut b, &[2, 1, 5, 7]);
    let right = input(&mut b, &[3, 7, 11]);
    assert_eq!(b.matmul(&left, &right).dims(), [2, 3, 5, 11]);
    let graph = b.finish();
    assert_eq!(graph.parameters, 6 * 2 * 9 + 1500 + 10);
    assert_eq!(graph.macs, 2 * 6 * 25 * 18 + 2 * 1500 + 6 * 5 * 7 * 11);
}

#[test]
fn names_are_scoped_and_unique() {
    let mut b = GraphBuilder::new("test");
    let x = input(&mut b, &[2, 3]);
    b.scope("layer.0", |b| {
        b.scope("mlp", |b| {
            b.relu(&x);
            b.relu(&x);
            b.parameter("weight", &[1], Init::FanIn(1));
        });
    });
    let graph = b.finish().model.graph.unwrap();
    let nodes: Vec<&str> = graph.node.iter().map(|node| node.name()).collect();
    assert_eq!(nodes, ["/layer.0/mlp/Relu", "/layer.0/mlp/Relu_1"]);
    assert_eq!(graph.initializer[0].name(), "layer.0.mlp.weight");
}

#[test]
fn equal_constants_share_one_initializer() {
    let mut b = GraphBuilder::new("test");
    let (first, again) = (b.int64(&[2], &[1, 2]), b.int64(&[2], &[1, 2]));
    let other_shape = b.int64(&[2, 1], &[1, 2]);
    assert_eq!(first.name, again.name);
    assert_ne!(first.name, other_shape.name);
    assert_eq!(b.finish().model.graph.unwrap().initializer.len(), 2);
}

#[test]
fn only_large_parameters_go_outside() {
    let mut b = GraphBuilder::new("test");
    b.parameter("small", &[64, 64], Init::FanIn(64));
    b.parameter("large", &[64, 65], Init::FanIn(64));
    b.parameter("gains", &[5000], Init::Around { centre: 1.0, half_width: 0.1 });
    b.inline_parameter("router", &[4096, 8], Init::FanIn(64));
    let graph = b.finish();
    assert_eq!(graph.parameters, 64 * 64 + 64 * 65 + 5000 + 4096 * 8);
    assert_eq!(graph.external.len(), 1);
    assert_eq!((graph.external[0].initializer, graph.external[0].bytes()), (1, 64 * 65 * 4));
    let gains = graph.model.graph.unwrap().initializer[2].raw_data.clone().unwrap();
    let gains = gains.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    assert!(gains.into_iter().all(|gain| (0.9..=1.1).contains(&gain)));
}

#[test]
fn an_output_takes_its_name_everywhere() {
    let mut b = GraphBuilder::new("test");
    let x = input(&mut b, &[2]);
    let y = b.relu(&x);
    b.tanh(&y);
    b.output("y", &y);
    let graph = b.finish().model.graph.unwrap();
    assert_eq!((graph.node[0].output[0].as_str(), graph.node[1].input[0].as_str()), ("y", "y"));
    assert_eq!(graph.output[0].name(), "y");
    assert_eq!(graph.value_info.len(), 1);
}

#[test]
#[should_panic(expected = "MatMul of [2, 3] and [4, 5]")]
fn a_wrong_product_names_its_operands() {
    let mut b = GraphBuilder::new("test");
    let (x, y) = (input(&mut b, &[2, 3]), input(&mut b, &[4, 5]));
    b.matmul(&x, &y);
}
