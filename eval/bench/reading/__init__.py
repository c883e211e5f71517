"""Reading time by format, without a model: of this tree alone, or in a race against another checkout."""
