"""Training data: mined negatives, teachers, splits and questions without labels."""
