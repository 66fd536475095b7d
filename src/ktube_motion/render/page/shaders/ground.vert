uniform mat4 u_view;
uniform vec3 u_middle;
in vec2 a_corner;
out vec3 v_place;

void main() {
  v_place = u_middle + vec3(a_corner.x, 0.0, a_corner.y) * 12.0;
  gl_Position = u_view * vec4(v_place, 1.0);
}
