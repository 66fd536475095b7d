// Matt clay under a key light with shadow, a cool fill, a sky; a thin rim keeps a hand apart from the chest behind it.
uniform vec3 u_eye;
uniform vec3 u_fill;
in vec3 v_place;
in vec3 v_normal;
in vec3 v_colour;
out vec4 o_colour;

void main() {
  vec3 normal = normalize(v_normal), towards = normalize(u_eye - v_place);
  if (dot(normal, towards) < 0.0) normal = -normal;
  float front = dot(normal, u_key), shine = pow(max(dot(normal, normalize(u_key + towards)), 0.0), 40.0);
  float key = front > 0.0 ? lit(v_place + normal * 0.006, 0.0012, 0.0015) : 0.0;
  float sky = 0.5 + 0.5 * normal.y, edge = pow(1.0 - max(dot(normal, towards), 0.0), 3.0);
  vec3 light = mix(vec3(0.30, 0.29, 0.30), vec3(0.50, 0.52, 0.56), sky);
  light += vec3(0.62, 0.59, 0.55) * max(front, 0.0) * key + vec3(0.12, 0.14, 0.18) * max(dot(normal, u_fill), 0.0);
  vec3 colour = pow(v_colour, vec3(2.2)) * light + 0.06 * shine * key + edge * vec3(0.10, 0.11, 0.13) * (0.4 + 0.6 * sky);
  o_colour = vec4(pow(min(colour, vec3(1.0)), vec3(1.0 / 2.2)), 1.0);
}
