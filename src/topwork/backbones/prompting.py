"""What decodes prompts on an image that SAM's encoder has seen.

A public module of this room and not among its names, since it imports torch.
"""

from topwork.backbones._promptable_module import Decoded, MaskDecoder, mask_decoder, state_of

__all__ = ["Decoded", "MaskDecoder", "mask_decoder", "state_of"]
