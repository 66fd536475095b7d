// What body and ground share: the key light's shadow map.
uniform highp sampler2DShadow u_shadow;
uniform mat4 u_light;
uniform vec3 u_key;

float lit(vec3 place, float spread, float bias) {
  vec4 seen = u_light * vec4(place, 1.0);
  vec3 at = seen.xyz * 0.5 + 0.5;
  if (any(lessThan(at, vec3(0.001))) || any(greaterThan(at, vec3(0.999)))) return 1.0;
  float sum = 0.0;
  for (int x = -1; x <= 1; x++)
    for (int y = -1; y <= 1; y++) sum += texture(u_shadow, vec3(at.xy + vec2(x, y) * spread, at.z - bias));
  return sum / 9.0;
}
