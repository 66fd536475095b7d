"""Step 3 of the data set: joint positions to motion vectors.

Reads every .npy of ./joints and writes HumanML3D/new_joint_vecs/NAME.npy, the
263 numbers a frame that models learn from (623 with fingers), and
HumanML3D/new_joints/NAME.npy, the joints recovered from them.
"""

from _steps import convert, list_files, read_arguments, run

from ktube_motion.errors import ShapeError
from ktube_motion.features import features_to_joints, joints_to_features
from ktube_motion.io.files import save_array
from ktube_motion.io.untrusted import load_numpy
from ktube_motion.skeletons import KIT_21, SMPL_22, SMPLH_52


def main():
    options = read_arguments(__doc__, "joints", "HumanML3D")
    vectors, recovered = options.output / "new_joint_vecs", options.output / "new_joints"

    def make(path):
        joints = load_numpy(path)
        sizes = {skeleton.num_joints: skeleton for skeleton in (SMPL_22, KIT_21, SMPLH_52)}
        shape = getattr(joints, "shape", ())
        if len(shape) != 3 or shape[1] not in sizes or shape[2] != 3:
            raise ShapeError("These are no joints.", where=path, expected="(T, 22, 3), (T, 52, 3)", found=shape)
        features = joints_to_features(joints, skeleton=sizes[shape[1]]).astype("float32")
        save_array(recovered / path.name, features_to_joints(features, skeleton=sizes[shape[1]]))
        save_array(vectors / path.name, features)

    finished = lambda path: (vectors / path.name).exists()  # noqa: E731
    convert(list_files(options.input, ".npy"), make, finished=finished, overwrite=options.overwrite)


if __name__ == "__main__":
    run(main)
