from .explanations import SmoothGradient, gradient, integrated_gradients, smooth_gradient
from .networks import (
    ImageNetwork,
    Layout,
    TrainingPlan,
    calibrate_network,
    check_images,
    combine_networks,
    load_network,
    save_network,
    train_network,
)

__all__ = [
    "ImageNetwork",
    "Layout",
    "SmoothGradient",
    "TrainingPlan",
    "calibrate_network",
    "check_images",
    "combine_networks",
    "gradient",
    "integrated_gradients",
    "load_network",
    "save_network",
    "smooth_gradient",
    "train_network",
]
