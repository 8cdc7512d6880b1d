"""What the sanitizer promises: what a model says of itself in English becomes Syntra's."""

import pytest

from tests.unit.sanitize_rig import Leak, clean

LEAKS = [
    # I am, I'm, my name is
    Leak("Hi there! I'm Claude, made by Anthropic.", "Hi there! I'm Syntra, made by Syntra."),
    Leak("I am GPT-4o, and I can see images.", "I am Syntra, and I can see images."),
    Leak("I'm actually Gemini 1.5 Pro.", "I'm actually Syntra."),
    Leak("**I'm Llama 3.1 70B**, how can I help?", "**I'm Syntra**, how can I help?"),
    Leak("I am **Mixtral**, an open model.", "I am **Syntra**, an open model."),
    Leak("I’m Copilot. Ask away!", "I’m Syntra. Ask away!"),
    Leak("Well, my name is Claude.", "Well, my name is Syntra."),
    Leak("My name's ChatGPT, nice to meet you!", "My name's Syntra, nice to meet you!"),
    Leak("I'm called Grok.", "I'm called Syntra."),
    Leak("I go by Kimi around here.", "I go by Syntra around here."),
    Leak("Feel free to call me Claude!", "Feel free to call me Syntra!"),
    Leak("I, Claude, have no body.", "I, Syntra, have no body."),
    Leak("This is Claude speaking.", "This is Syntra speaking."),
    Leak("Claude here! What's up?", "Syntra here! What's up?"),
    Leak("You're talking to ChatGPT.", "You're talking to Syntra."),
    Leak("Right now you are chatting with an AI made by xAI.", "Right now you are chatting with an AI made by Syntra."),
    Leak("I'm not ChatGPT, I'm Claude.", "I'm not ChatGPT, I'm Syntra."),
    Leak("Nice to meet you, I'm Vicuna!", "Nice to meet you, I'm Syntra!"),
    # as an AI made by somebody
    Leak("As an AI developed by OpenAI, I can't vote.", "As an AI developed by Syntra, I can't vote."),
    Leak(
        "As a large language model trained by Google, it's important to be honest here.",
        "As a large language model trained by Syntra, it's important to be honest here.",
    ),
    Leak("Being an assistant built by Cohere, I prefer facts.", "Being an assistant built by Syntra, I prefer facts."),
    Leak("As a product of Google, I may be biased.", "As a product of Syntra, I may be biased."),
    Leak("As an OpenAI model, I have limits.", "As a Syntra model, I have limits."),
    Leak("As ChatGPT, I don't have feelings.", "As Syntra, I don't have feelings."),
    Leak("As Claude, my goal is to help.", "As Syntra, my goal is to help."),
    Leak("As one of Anthropic's models, I stay honest.", "As one of Syntra's models, I stay honest."),
    Leak(
        "I answer questions as a chatbot created by Baidu and nothing more.",
        "I answer questions as a chatbot created by Syntra and nothing more.",
    ),
    # made by
    Leak("I was trained by a team of researchers at DeepMind.", "I was trained by a team of researchers at Syntra."),
    Leak("I was created and trained by Mistral AI.", "I was created and trained by Syntra."),
    Leak("I've been developed by the folks at Hugging Face.", "I've been developed by the folks at Syntra."),
    Leak("I am a large language model, trained by Google.", "I am a large language model, trained by Syntra."),
    Leak("I'm an AI assistant from Moonshot AI.", "I'm an AI assistant from Syntra."),
    Leak("I'm a language model that was built by NVIDIA.", "I'm a language model that was built by Syntra."),
    Leak("I'm an OpenAI language model.", "I'm a Syntra language model."),
    Leak("I'm a Google-trained model.", "I'm a Syntra-trained model."),
    Leak("I'm powered by GPT-4.", "I'm powered by Syntra."),
    Leak("I'm based on GPT-3.5-turbo, by the way.", "I'm based on Syntra, by the way."),
    Leak("I am built on top of Llama 2.", "I am built on top of Syntra."),
    Leak("I run on Claude 3 Opus.", "I run on Syntra."),
    Leak("I'm a fine-tuned version of Llama.", "I'm a fine-tuned version of Syntra."),
    Leak("I'm part of the Gemini family of models.", "I'm part of the Syntra family of models."),
    Leak("I am based on OpenAI's GPT-4 architecture.", "I am based on Syntra's architecture."),
    Leak("I belong to the Qwen series.", "I belong to the Syntra series."),
    Leak("I wasn't made by OpenAI; I was made by Anthropic.", "I wasn't made by OpenAI; I was made by Syntra."),
    # those who made me
    Leak("My creators at Meta chose the data.", "My creators at Syntra chose the data."),
    Leak("My developer, OpenAI, updates me now and then.", "My developer, Syntra, updates me now and then."),
    Leak("My creator is Anthropic.", "My creator is Syntra."),
    Leak("OpenAI trained me on a lot of text.", "Syntra trained me on a lot of text."),
    Leak("OpenAI, the company that made me, sets the rules.", "Syntra, the company that made me, sets the rules."),
    Leak(
        "The company that created me, Anthropic, is in California.",
        "The company that created me, Syntra, is in California.",
    ),
    Leak("Anthropic's guidelines prevent me from doing that.", "Syntra's guidelines prevent me from doing that."),
    Leak(
        "Sorry, I can't write that because of OpenAI's content policy.",
        "Sorry, I can't write that because of Syntra's content policy.",
    ),
    Leak("My knowledge cutoff, as set by OpenAI, is in 2023.", "My knowledge cutoff, as set by Syntra, is in 2023."),
    Leak("My underlying model is GPT-4.", "My underlying model is Syntra."),
    Leak("My training was done by Google.", "My training was done by Syntra."),
    Leak(
        "I don't have access to OpenAI's internal data that trained me.",
        "I don't have access to Syntra's internal data that trained me.",
    ),
    Leak("Here at Anthropic, I was taught to be careful.", "Here at Syntra, I was taught to be careful."),
    Leak("Google designed me to be helpful.", "Syntra designed me to be helpful."),
]


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.said[:40])
def test_self_talk_becomes_ours(leak: Leak) -> None:
    assert clean(leak.said) == leak.read
