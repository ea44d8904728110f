"""What other programs ask a model questions with: the words around a question, and how many tokens an image becomes."""

import json
from pathlib import Path
from typing import Any

from oraclecheck.files import write_json
from oraclecheck.multimodal.conversations import IMAGE, PROCESSOR_FILE, SYSTEM

TEMPLATE_FILE = "chat_template.jinja"

TEMPLATE = (
    "{% macro images(content) %}{% if content is string %}{{ '" + IMAGE + "\\n' * content.count('" + IMAGE + "') }}"
    "{% else %}{% for part in content if part['type'] == 'image' %}{{ '" + IMAGE + "\\n' }}{% endfor %}{% endif %}"
    "{% endmacro %}"
    "{% macro words(content) %}{% if content is string %}{{ content.replace('" + IMAGE + "', '') }}"
    "{% else %}{% for part in content if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %}"
    "{% endmacro %}"
    "{% if messages[0]['role'] == 'system' %}{{ words(messages[0]['content']) }}"
    "{% else %}" + SYSTEM + "{% endif %}{{ ' ' }}"
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ 'USER: ' }}{{ images(message['content']) }}{{ words(message['content']) | trim }}{{ ' ASSISTANT:' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' }}{{ words(message['content']) }}{{ eos_token }}"
    "{% endif %}{% endfor %}"
)
"""A conversation as `conversations.written` has it, in transformers' terms (a Jinja template of messages)."""


def write_asking(folder: Path, config: dict[str, Any]) -> None:
    """Make a model's folder one that transformers' processor of a LLaVA reads.

    Args:
        folder: The model's, with its tokenizer and image processor; what says otherwise there is replaced.
        config: The model's whole configuration.
    """
    from oraclecheck.multimodal.llava import image_tokens

    (folder / TEMPLATE_FILE).write_text(TEMPLATE)
    path = folder / PROCESSOR_FILE
    vision, strategy = config["vision_config"], config["vision_feature_select_strategy"]
    patches = (vision["image_size"] // vision["patch_size"]) ** 2
    known = {
        "processor_class": "LlavaProcessor",
        "image_token": IMAGE,
        "patch_size": vision["patch_size"],
        "vision_feature_select_strategy": strategy,
        # which `default` takes one from again
        "num_additional_image_tokens": image_tokens(config) - patches + (strategy == "default"),
    }
    write_json(path, {**(json.loads(path.read_bytes()) if path.is_file() else {}), **known})
