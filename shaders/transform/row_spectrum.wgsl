// The second pass of a long convolution goes back along the rows.

const BACK: bool = true;

@group(0) @binding(3) var<storage, read> spectrum: array<vec2<f32>>;
