"""A Hugging Face hub of a few repositories, for huggingface_hub through HF_ENDPOINT. See app.py."""
