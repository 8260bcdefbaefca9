"""What the toy task brings to its page: a template and its texts."""
