"""The body through OpenGL without a screen: mesh and ground are uploaded once, a frame is 55 matrices."""

import os
import warnings
from importlib.resources import files
from typing import Any

import numpy as np

from .. import palette
from ..errors import MissingDependencyError
from ..palette import rgb
from ._figure import Figure
from ._scene import Camera

__all__ = ["FILL", "KEY", "Stage", "shader_sources"]

KEY = np.array([0.45, 1.0, 0.65]) / np.linalg.norm([0.45, 1.0, 0.65])
FILL = np.array([-0.7, 0.35, 0.6]) / np.linalg.norm([-0.7, 0.35, 0.6])
_NEAR, _FAR = 0.1, 60.0
_SHADOW_SIZE, _LIT = 1024, 1.6  # pixels of the shadow map; metres around the body that it covers
_SAMPLES = 4


def shader_sources() -> dict[str, str]:
    """Give vertex and fragment shaders by name, in the GLSL that OpenGL 3.3 and WebGL 2 share; the version is not in.

    Examples
    --------
    >>> sorted(shader_sources())
    ['body.frag', 'body.vert', 'ground.frag', 'ground.vert']
    """
    room = files(__package__) / "page" / "shaders"
    light = (room / "light.glsl").read_text("utf-8")
    read = {name: (room / name).read_text("utf-8") for name in ("body.vert", "body.frag", "ground.vert", "ground.frag")}
    return {name: light + source if name.endswith("frag") else source for name, source in read.items()}


def look_at(camera: Camera, target: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Give the matrix ``(4, 4)`` from metres to the picture, as OpenGL wants it."""
    right, up, back = camera.axes
    rows = np.eye(4)
    rows[:3, :3] = right, up, -back
    rows[:3, 3] = -rows[:3, :3] @ target + (0, 0, camera.distance)  # the third is now the depth
    (width, height), (x, y) = size, camera.center
    deep = (_FAR + _NEAR) / (_FAR - _NEAR)
    lens = np.array(
        [
            [2 * camera.focal / width, 0, 2 * x / width - 1, 0],
            [0, 2 * camera.focal / height, 1 - 2 * y / height, 0],
            [0, 0, deep, -(deep + 1) * _NEAR],
            [0, 0, 1, 0],
        ]
    )
    return lens @ rows


def light_matrix(middle: np.ndarray) -> np.ndarray:
    """Give the matrix ``(4, 4)`` of the shadow map: parallel light around `middle`."""
    side = np.cross([0.0, 1.0, 0.0], KEY)
    side /= np.linalg.norm(side)
    rows = np.eye(4)
    rows[:3, :3] = side / _LIT, np.cross(KEY, side) / _LIT, -KEY / (2 * _LIT)
    rows[:3, 3] = -rows[:3, :3] @ middle
    return rows


class Stage:
    """Draws figures into one multisampled picture of `size`.

    Raises
    ------
    MissingDependencyError
        If OpenGL does not start on `platform`, "egl" or "osmesa".
    """

    def __init__(self, size: tuple[int, int], platform: str) -> None:
        os.environ["PYOPENGL_PLATFORM"] = platform  # read once, when OpenGL is first imported
        self.size = size
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of the imports' own
                self.context = _context(platform)
                from OpenGL import GL
            self.gl: Any = GL
            self.programs = {name: self._program(name) for name in ("body", "ground")}
            self._targets()
        # PyOpenGL fails in many ways where a driver is missing: by import, attribute or GL error.
        except (ImportError, AttributeError, AssertionError, RuntimeError, OSError, ValueError, TypeError) as error:
            raise MissingDependencyError(f"OpenGL ({platform}) does not start: {error}.", fix=ADVICE) from error
        self.bodies: dict[int, tuple[Figure, int, Any, int]] = {}
        corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)
        self.ground = self._arrays("ground", {"a_corner": corners})[0]

    def draw(
        self,
        figure: Figure,
        moves: np.ndarray,
        camera: Camera,
        target: np.ndarray,
        floor: float,
        points: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw one frame.

        Parameters
        ----------
        figure : Figure
            Uploaded when it is first seen.
        moves : array [shape=(55, 3, 4)]
            What each joint does to a point at rest.
        camera, target, floor
            As everywhere.
        points : array [shape=(V, 3)], optional
            Vertices at rest, for a body whose flesh moves too.

        Returns
        -------
        picture : uint8 array [shape=(height, width, 3)]
        """
        gl = self.gl
        middle = np.array([moves[0, 0, 3] + moves[0, 0, :3] @ figure.rest[0], floor + 0.9, 0.0])
        middle[2] = moves[0, 2, 3] + moves[0, 2, :3] @ figure.rest[0]
        light, view = light_matrix(middle), look_at(camera, target, self.size)
        body = self._body(figure, points)
        self._use("body", u_bones=moves.reshape(165, 4), u_view=light, u_light=light, u_key=KEY, u_fill=FILL)
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self.shadow)
        gl.glViewport(0, 0, _SHADOW_SIZE, _SHADOW_SIZE)
        gl.glClear(gl.GL_DEPTH_BUFFER_BIT)
        self._triangles(body, figure)
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self.picture)
        gl.glViewport(0, 0, *self.size)
        gl.glClearColor(*rgb(palette.PAPER), 1.0)
        gl.glClear(gl.GL_COLOR_BUFFER_BIT | gl.GL_DEPTH_BUFFER_BIT)
        self._use("body", u_view=view, u_eye=target + camera.distance * camera.axes[2])
        self._triangles(body, figure)
        lines = {"u_paper": rgb(palette.PAPER), "u_grid": rgb(palette.GRID)}
        self._use("ground", u_view=view, u_light=light, u_middle=(middle[0], floor, middle[2]), **lines)
        gl.glBindVertexArray(self.ground)
        gl.glDrawArrays(gl.GL_TRIANGLE_STRIP, 0, 4)
        return self._read()

    def close(self) -> None:
        """Give the OpenGL context back."""
        self.context.delete_context()

    def _triangles(self, array: int, figure: Figure) -> None:
        self.gl.glBindVertexArray(array)
        self.gl.glDrawElements(self.gl.GL_TRIANGLES, figure.faces.size, self.gl.GL_UNSIGNED_INT, None)

    def _read(self) -> np.ndarray:
        gl, (width, height) = self.gl, self.size
        gl.glBindFramebuffer(gl.GL_READ_FRAMEBUFFER, self.picture)
        gl.glBindFramebuffer(gl.GL_DRAW_FRAMEBUFFER, self.resolved)
        gl.glBlitFramebuffer(0, 0, width, height, 0, 0, width, height, gl.GL_COLOR_BUFFER_BIT, gl.GL_NEAREST)
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self.resolved)
        pixels = gl.glReadPixels(0, 0, width, height, gl.GL_RGBA, gl.GL_UNSIGNED_BYTE)
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 4)[::-1, :, :3]

    def _program(self, name: str) -> int:
        from OpenGL.GL import shaders

        gl, sources = self.gl, shader_sources()
        kinds = {"vert": gl.GL_VERTEX_SHADER, "frag": gl.GL_FRAGMENT_SHADER}
        parts = [shaders.compileShader("#version 330 core\n" + sources[f"{name}.{k}"], kinds[k]) for k in kinds]
        program = gl.glCreateProgram()
        for part in parts:
            gl.glAttachShader(program, part)
        gl.glLinkProgram(program)
        if not gl.glGetProgramiv(program, gl.GL_LINK_STATUS):
            raise RuntimeError(gl.glGetProgramInfoLog(program).decode("utf-8", "replace"))
        return int(program)

    def _use(self, name: str, **values: Any) -> None:
        gl, program = self.gl, self.programs[name]
        gl.glUseProgram(program)
        for key, value in values.items():
            place, numbers = gl.glGetUniformLocation(program, key), np.ascontiguousarray(value, np.float32)
            if numbers.shape == (4, 4):
                gl.glUniformMatrix4fv(place, 1, True, numbers)
            elif numbers.ndim == 2:
                gl.glUniform4fv(place, len(numbers), numbers)
            else:
                gl.glUniform3fv(place, 1, numbers)

    def _body(self, figure: Figure, points: np.ndarray | None) -> int:
        """Give the vertex array of a figure, uploaded at the first call; `points` alone are sent every time."""
        gl = self.gl
        if id(figure) not in self.bodies:
            named = {
                "a_place": figure.vertices,
                "a_normal": figure.normals,
                "a_joints": figure.joints.astype(np.float32),
                "a_weights": figure.weights,
                "a_colour": figure.colours,
            }
            array, buffers = self._arrays("body", named)
            gl.glBindBuffer(gl.GL_ELEMENT_ARRAY_BUFFER, gl.glGenBuffers(1))
            gl.glBufferData(
                gl.GL_ELEMENT_ARRAY_BUFFER, figure.faces.nbytes, figure.faces.astype(np.uint32), gl.GL_STATIC_DRAW
            )
            self.bodies[id(figure)] = figure, array, buffers["a_place"], 0
        _, array, places, _ = self.bodies[id(figure)]
        if points is not None:
            gl.glBindBuffer(gl.GL_ARRAY_BUFFER, places)
            data = np.ascontiguousarray(points, np.float32)
            gl.glBufferSubData(gl.GL_ARRAY_BUFFER, 0, data.nbytes, data)
        return array

    def _arrays(self, program: str, named: dict[str, np.ndarray]) -> tuple[int, dict[str, int]]:
        gl, buffers = self.gl, {}
        array = int(gl.glGenVertexArrays(1))
        gl.glBindVertexArray(array)
        for name, values in named.items():
            buffers[name] = int(gl.glGenBuffers(1))
            data = np.ascontiguousarray(values, np.float32)
            gl.glBindBuffer(gl.GL_ARRAY_BUFFER, buffers[name])
            gl.glBufferData(gl.GL_ARRAY_BUFFER, data.nbytes, data, gl.GL_STATIC_DRAW)
            place = gl.glGetAttribLocation(self.programs[program], name)
            if place >= 0:
                gl.glEnableVertexAttribArray(place)
                gl.glVertexAttribPointer(place, data.shape[1], gl.GL_FLOAT, False, 0, None)
        return array, buffers

    def _targets(self) -> None:
        """Make the picture, smooth at its edges, the one it is read from, and the shadow map."""
        gl, (width, height) = self.gl, self.size
        samples = min(_SAMPLES, int(gl.glGetIntegerv(gl.GL_MAX_SAMPLES)))
        self.picture, self.resolved, self.shadow = (int(number) for number in gl.glGenFramebuffers(3))
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self.picture)
        for form, place in ((gl.GL_RGBA8, gl.GL_COLOR_ATTACHMENT0), (gl.GL_DEPTH_COMPONENT24, gl.GL_DEPTH_ATTACHMENT)):
            self._attach(form, place, samples, width, height)
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self.resolved)
        self._attach(gl.GL_RGBA8, gl.GL_COLOR_ATTACHMENT0, 0, width, height)
        gl.glBindTexture(gl.GL_TEXTURE_2D, gl.glGenTextures(1))
        form = (gl.GL_DEPTH_COMPONENT24, _SHADOW_SIZE, _SHADOW_SIZE, 0, gl.GL_DEPTH_COMPONENT, gl.GL_UNSIGNED_INT, None)
        gl.glTexImage2D(gl.GL_TEXTURE_2D, 0, *form)
        for key in (gl.GL_TEXTURE_MIN_FILTER, gl.GL_TEXTURE_MAG_FILTER):
            gl.glTexParameteri(gl.GL_TEXTURE_2D, key, gl.GL_LINEAR)
        gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_COMPARE_MODE, gl.GL_COMPARE_REF_TO_TEXTURE)
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self.shadow)
        texture = int(gl.glGetIntegerv(gl.GL_TEXTURE_BINDING_2D))
        gl.glFramebufferTexture2D(gl.GL_FRAMEBUFFER, gl.GL_DEPTH_ATTACHMENT, gl.GL_TEXTURE_2D, texture, 0)
        gl.glDrawBuffer(gl.GL_NONE)
        gl.glEnable(gl.GL_DEPTH_TEST)
        gl.glEnable(gl.GL_CULL_FACE)
        gl.glEnable(gl.GL_MULTISAMPLE)

    def _attach(self, form: int, place: int, samples: int, width: int, height: int) -> None:
        gl, buffer = self.gl, self.gl.glGenRenderbuffers(1)
        gl.glBindRenderbuffer(gl.GL_RENDERBUFFER, buffer)
        gl.glRenderbufferStorageMultisample(gl.GL_RENDERBUFFER, samples, form, width, height)
        gl.glFramebufferRenderbuffer(gl.GL_FRAMEBUFFER, place, gl.GL_RENDERBUFFER, buffer)


ADVICE = (
    "Run: apt-get install libosmesa6 libgl1 libxrender1 (software), or libegl1 libgl1 (graphics card), "
    'or pip install "ktube_motion[render]" and renderer="rays".'
)


def _context(platform: str) -> Any:
    """Start OpenGL 3.3 or later without a window; pyrender knows how."""
    if platform == "egl":
        from pyrender.platforms import egl

        device = egl.get_device_by_index(int(os.environ.get("EGL_DEVICE_ID", "0")))
        context = egl.EGLPlatform(1, 1, device=device)
    else:
        from pyrender.platforms import osmesa

        context = osmesa.OSMesaPlatform(1, 1)
    context.init_context()
    context.make_current()
    return context
