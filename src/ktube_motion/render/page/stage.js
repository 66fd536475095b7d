// The body in WebGL 2: one stage for all panels, the mesh uploaded once, a frame is 55 matrices. Null where there is none.
const SHADOW = 1024, LIT = 1.6, KEY = data.lights.key, FILL = data.lights.fill;

async function makeStage() {
  if (!data.mesh) return null;
  const canvas = document.createElement("canvas"), gl = canvas.getContext("webgl2", { alpha: false, antialias: true });
  if (!gl) return null;
  const stage = { canvas, gl, programs: {}, shapes: [] };
  for (const name of ["body", "ground"]) stage.programs[name] = program(gl, name);
  await upload(stage);
  shadowMap(stage);
  gl.enable(gl.DEPTH_TEST);
  gl.enable(gl.CULL_FACE);
  canvas.addEventListener("webglcontextlost", () => { player.stage = null; player.dirty = true; });
  return stage;
}

function program(gl, name) {
  const made = gl.createProgram(), head = "#version 300 es\nprecision highp float;\nprecision highp int;\n";
  for (const [kind, type] of [["vert", gl.VERTEX_SHADER], ["frag", gl.FRAGMENT_SHADER]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, head + data.shaders[`${name}.${kind}`]);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  ["a_place", "a_normal", "a_joints", "a_weights", "a_colour"].forEach((key, k) => name === "body" && gl.bindAttribLocation(made, k, key));
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
  const places = {}, count = gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS);
  for (let k = 0; k < count; k++) { const key = gl.getActiveUniform(made, k).name.replace("[0]", ""); places[key] = gl.getUniformLocation(made, key); }
  return { made, places };
}

async function upload(stage) {
  const { gl } = stage, { vertices: n, triangles } = data.mesh, bytes = await unpack(data.mesh.data);
  let at = 0;
  const cut = (Kind, length) => { const part = new Kind(bytes.slice(at, at + length * Kind.BYTES_PER_ELEMENT)); at += length * Kind.BYTES_PER_ELEMENT; return part; };
  const faces = cut(Uint16Array, 3 * triangles);
  for (let k = 3; k < faces.length; k++) faces[k] += faces[k - 3];
  const indices = gl.createBuffer();
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, indices);
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, faces, gl.STATIC_DRAW);
  const shared = [cut(Int8Array, 3 * n), cut(Uint8Array, 4 * n), cut(Uint8Array, 4 * n), cut(Uint8Array, 3 * n)];
  const buffers = shared.map((values) => { const buffer = gl.createBuffer(); gl.bindBuffer(gl.ARRAY_BUFFER, buffer); gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW); return buffer; });
  for (const shape of data.shapes) {
    const numbers = cut(Int16Array, 3 * n), places = Float32Array.from(numbers, (value, k) => value * shape.scale + shape.middle[k % 3]);
    const array = gl.createVertexArray(), buffer = gl.createBuffer();
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, indices);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, places, gl.STATIC_DRAW);
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 0, 0);
    const layout = [[3, gl.BYTE, true], [4, gl.UNSIGNED_BYTE, false], [4, gl.UNSIGNED_BYTE, true], [3, gl.UNSIGNED_BYTE, true]];
    layout.forEach(([size, type, normal], k) => { gl.bindBuffer(gl.ARRAY_BUFFER, buffers[k]); gl.vertexAttribPointer(k + 1, size, type, normal, 0, 0); });
    for (let k = 0; k < 5; k++) gl.enableVertexAttribArray(k);
    stage.shapes.push(array);
  }
  stage.count = 3 * triangles;
  stage.ground = gl.createVertexArray();
  gl.bindVertexArray(stage.ground);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, -1, 1, 1, -1, 1, 1]), gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
}

function shadowMap(stage) {
  const { gl } = stage;
  gl.bindTexture(gl.TEXTURE_2D, stage.depth = gl.createTexture());
  gl.texStorage2D(gl.TEXTURE_2D, 1, gl.DEPTH_COMPONENT24, SHADOW, SHADOW);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_COMPARE_MODE, gl.COMPARE_REF_TO_TEXTURE);
  stage.shadow = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, stage.shadow);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, stage.depth, 0);
  gl.drawBuffers([gl.NONE]);
}

function lightMatrix(middle) {
  const side = unit(cross([0, 1, 0], KEY)), up = cross(KEY, side);
  const rows = [side.map((v) => v / LIT), up.map((v) => v / LIT), KEY.map((v) => -v / (2 * LIT))];
  return new Float32Array([...[0, 1, 2].flatMap((k) => [rows[0][k], rows[1][k], rows[2][k], 0]), ...rows.map((row) => -dot(row, middle)), 1]);
}

function use(stage, name, values) {
  const { gl } = stage, { made, places } = stage.programs[name];
  gl.useProgram(made);
  for (const [key, value] of Object.entries(values)) {
    if (!(key in places)) continue;
    if (key === "u_bones") gl.uniform4fv(places[key], value);
    else if (value.length === 16) gl.uniformMatrix4fv(places[key], false, value);
    else gl.uniform3fv(places[key], value);
  }
}

const paint3 = (colour) => [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16) / 255);

// Draw one body; the picture stands in the lower left of the stage's canvas.
function drawBody(stage, clip, now, camera, width, height) {
  const { gl, canvas } = stage;
  if (canvas.width < width) canvas.width = width;
  if (canvas.height < height) canvas.height = height;
  const [x, , z] = now.joints[0], middle = [x, clip.floor + 0.9, z], light = lightMatrix(middle), view = lens(camera);
  const triangles = () => { gl.bindVertexArray(stage.shapes[clip.shape]); gl.drawElements(gl.TRIANGLES, stage.count, gl.UNSIGNED_SHORT, 0); };
  gl.bindTexture(gl.TEXTURE_2D, null);
  use(stage, "body", { u_bones: now.moves, u_view: light, u_light: light, u_key: KEY, u_fill: FILL });
  gl.bindFramebuffer(gl.FRAMEBUFFER, stage.shadow);
  gl.viewport(0, 0, SHADOW, SHADOW);
  gl.clear(gl.DEPTH_BUFFER_BIT);
  triangles();
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  gl.bindTexture(gl.TEXTURE_2D, stage.depth);
  gl.viewport(0, 0, width, height);
  gl.clearColor(...paint3(COLORS.paper), 1);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  use(stage, "body", { u_view: view, u_eye: eyeOf(camera) });
  triangles();
  use(stage, "ground", { u_view: view, u_light: light, u_middle: [x, clip.floor, z], u_paper: paint3(COLORS.paper), u_grid: paint3(COLORS.grid) });
  gl.bindVertexArray(stage.ground);
  gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
}
