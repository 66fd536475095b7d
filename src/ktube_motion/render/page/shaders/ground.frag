// A grid that fades into the paper, and the shadow of the body.
uniform vec3 u_middle;
uniform vec3 u_paper;
uniform vec3 u_grid;
in vec3 v_place;
out vec4 o_colour;

void main() {
  vec2 from = v_place.xz - u_middle.xz, cell = v_place.xz * 2.0, wide = fwidth(cell) * 1.1;
  vec2 line = 1.0 - smoothstep(vec2(0.0), wide, abs(fract(cell - 0.5) - 0.5));
  float near = 1.0 - smoothstep(0.8, 3.6, length(from));
  vec3 colour = mix(u_paper, vec3(1.0), 0.75 * near);
  colour = mix(colour, u_grid, 0.75 * max(line.x, line.y) * near);
  float away = length(from);
  float shade = away < 2.2 ? 1.0 - lit(v_place, 0.0042, 0.0006) : 0.0;
  o_colour = vec4(colour * (1.0 - 0.26 * shade * (1.0 - smoothstep(0.9, 2.2, away))), 1.0);
}
