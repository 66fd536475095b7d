// Linear blend skinning: rows of 3 x 4 matrices, three for a joint.
uniform vec4 u_bones[165];
uniform mat4 u_view;
in vec3 a_place;
in vec3 a_normal;
in vec4 a_joints;
in vec4 a_weights;
in vec3 a_colour;
out vec3 v_place;
out vec3 v_normal;
out vec3 v_colour;

void main() {
  vec4 x = vec4(0.0), y = vec4(0.0), z = vec4(0.0);
  for (int k = 0; k < 4; k++) {
    float w = a_weights[k];
    if (w == 0.0) continue;
    int row = 3 * int(a_joints[k] + 0.5);
    x += w * u_bones[row];
    y += w * u_bones[row + 1];
    z += w * u_bones[row + 2];
  }
  vec4 place = vec4(a_place, 1.0);
  v_place = vec3(dot(x, place), dot(y, place), dot(z, place));
  v_normal = vec3(dot(x.xyz, a_normal), dot(y.xyz, a_normal), dot(z.xyz, a_normal));
  v_colour = a_colour;
  gl_Position = u_view * vec4(v_place, 1.0);
}
