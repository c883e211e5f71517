"""What models are trained on: mined negatives, teachers, splits and questions without labels."""
