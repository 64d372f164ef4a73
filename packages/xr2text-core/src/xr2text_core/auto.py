"""Importing this module registers XR2Text with transformers' Auto classes, so that they load an exported folder.

import xr2text_core.auto
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
"""

from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageTextToText

from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.release.image_processor import XR2TextImageProcessor

AutoConfig.register(XR2TextConfig.model_type, XR2TextConfig, exist_ok=True)
AutoModel.register(XR2TextConfig, XR2TextModel, exist_ok=True)
AutoModelForImageTextToText.register(XR2TextConfig, XR2TextModel, exist_ok=True)
AutoImageProcessor.register(
    XR2TextConfig, image_processor_classes=dict.fromkeys(("pil", "torchvision"), XR2TextImageProcessor), exist_ok=True
)
