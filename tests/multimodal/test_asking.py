"""What other programs ask a kept model with: the tokens that it was trained on, and the answers that it gives."""

import json

import pytest
from tiny_llava import write_tiny_llava

QUESTION, ANSWERS = "What color is this image?", ("dark red", "bright")


def messages(turns, image):
    """The turns as transformers' processors take them; the last answer is yet to come."""
    found = []
    for number, (asked, answer) in enumerate(turns):
        content = [{"type": "text", "text": f" {asked}\n"}]
        if image and not number:
            content.insert(0, {"type": "image"})
        found += [{"role": "user", "content": content}]
        found += [{"role": "assistant", "content": [{"type": "text", "text": answer}]}]
    return found[:-1]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A model's folder as retrained networks are kept, and its network."""
    from oraclecheck.multimodal.llava import Llava, network_state
    from oraclecheck.pipelines.kept_model import save_model

    dense = write_tiny_llava(tmp_path_factory.mktemp("asked") / "dense")
    network = Llava(path=str(dense))
    network.load_state_dict(network_state(dense))
    save_model(dense.parent / "kept", network, dense)
    return dense.parent / "kept", network


@pytest.mark.parametrize("image", [True, False])
@pytest.mark.parametrize("turns", [1, 2])
def test_a_processor_makes_the_tokens_of_training(kept, questions_folder, image, turns):
    from transformers import AutoProcessor

    from oraclecheck.multimodal.conversations import Conversation, ConversationReader, written

    folder, _ = kept
    said = [(QUESTION, ANSWERS[0]), ("What shade is it?", ANSWERS[1])][:turns]
    name = json.loads((questions_folder / "test.json").read_text())[0]["image"]
    reader = ConversationReader.of(str(questions_folder), str(folder), 128)
    trained = reader.tokens(sample := Conversation("x", name if image else None, tuple(said)))
    last = trained.answers[-len(ANSWERS[turns - 1].split()) - 1]  # of the last answer, the end-of-text token behind it
    processor = AutoProcessor.from_pretrained(folder)
    text = processor.apply_chat_template(messages(said, image), tokenize=False, add_generation_prompt=True)
    inputs = processor(text=text, images=[_opened(questions_folder / name)] if image else None, return_tensors="pt")
    assert inputs["input_ids"][0].tolist() == list(trained.tokens[:last])
    # the tiny tokenizer does not see spaces
    assert f"{text} {ANSWERS[turns - 1]}<|endoftext|>" == written(sample, "<|endoftext|>")[0]
    if image:
        assert (inputs["pixel_values"][0] == reader.image(sample)).all()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([("user", "<image>\n What? ")], "{} USER: <image>\nWhat? ASSISTANT:"),
        ([("user", "What?")], "{} USER: What? ASSISTANT:"),
        ([("user", "<image>\nWhat?"), ("assistant", "red"), ("user", "Why?")],
         "{} USER: <image>\nWhat? ASSISTANT: red<|endoftext|>USER: Why? ASSISTANT:"),
        ([("system", "Be brief."), ("user", "What?")], "Be brief. USER: What? ASSISTANT:"),
    ],
)  # fmt: skip
def test_a_program_that_takes_the_templates_words_alone_asks_alike(kept, said, told):
    from transformers import AutoTokenizer

    begun = (
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
        "detailed, and polite answers to the user's questions."
    )
    messages = [{"role": role, "content": content} for role, content in said]
    tokenizer = AutoTokenizer.from_pretrained(kept[0])
    assert tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == told.format(begun)


@pytest.mark.parametrize(
    ("tower", "strategy", "tokens"),
    [("siglip", "full", 4), ("siglip", "default", 3), ("clip", "full", 5), ("clip", "default", 4)],
)
def test_an_image_becomes_as_many_tokens_as_the_network_makes_of_it(tmp_path, tower, strategy, tokens):
    from transformers import AutoProcessor, LlavaProcessor, PreTrainedTokenizerFast, SiglipImageProcessor

    from oraclecheck.multimodal.asking import write_asking

    dense = write_tiny_llava(tmp_path)
    (tmp_path / "processor_config.json").write_text('{"patch_size": 3}')
    vision = {"model_type": f"{tower}_vision_model", "image_size": 16, "patch_size": 8}
    write_asking(dense, {"vision_config": vision, "vision_feature_select_strategy": strategy})
    processor = AutoProcessor.from_pretrained(dense)
    assert isinstance(processor, LlavaProcessor) and isinstance(processor.tokenizer, PreTrainedTokenizerFast)
    assert isinstance(processor.image_processor, SiglipImageProcessor)
    from PIL import Image

    ids = processor(text="<image>", images=[Image.new("RGB", (9, 5))], return_tensors="pt")["input_ids"]
    assert (ids == 1).sum() == tokens


def test_how_others_ask_a_model_does_not_make_a_study_another(kept, questions_folder):
    from oraclecheck.multimodal.conversations import Conversations

    folder, _ = kept

    def processing(folder):
        parts = Conversations(str(questions_folder), "train.json", str(folder), "test.json")
        return parts.identity()["processing"]

    before = processing(folder)
    assert before == processing(folder.parent / "dense")  # where neither file is
    path = folder / "processor_config.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "image_processor": {"size": 32}}))
    assert processing(folder) != before
    path.write_text(json.dumps(told))
    assert processing(folder) == before


def _opened(path):
    from PIL import Image

    return Image.open(path).convert("RGB")
