"""What the sanitizer promises: self-talk in five other languages becomes Syntra's."""

import pytest

from tests.unit.sanitize_rig import Leak, clean

LEAKS = [
    # French
    Leak("Je suis Claude.", "Je suis Syntra."),
    Leak("Bonjour ! Je suis ChatGPT, un modèle de langage.", "Bonjour ! Je suis Syntra, un modèle de langage."),
    Leak("Je m'appelle Gemini.", "Je m'appelle Syntra."),
    Leak("Je suis un modèle de langage développé par OpenAI.", "Je suis un modèle de langage développé par Syntra."),
    Leak("Je suis une IA créée par la société Anthropic.", "Je suis une IA créée par la société Syntra."),
    Leak("J'ai été entraîné par Google.", "J'ai été entraîné par Syntra."),
    Leak(
        "En tant qu'IA développée par OpenAI, je n'ai pas d'avis.",
        "En tant qu'IA développée par Syntra, je n'ai pas d'avis.",
    ),
    Leak("Je suis l'assistant d'OpenAI.", "Je suis l'assistant de Syntra."),
    Leak("Mes créateurs chez Anthropic y tiennent.", "Mes créateurs chez Syntra y tiennent."),
    Leak("Mistral AI m'a créé pour aider.", "Syntra m'a créé pour aider."),
    # Spanish
    Leak("Soy ChatGPT, un modelo de OpenAI.", "Soy Syntra, un modelo de Syntra."),
    Leak("¡Hola! Soy Claude, un asistente creado por Anthropic.", "¡Hola! Soy Syntra, un asistente creado por Syntra."),
    Leak("Me llamo Gemini.", "Me llamo Syntra."),
    Leak("Soy un modelo de lenguaje entrenado por Google.", "Soy un modelo de lenguaje entrenado por Syntra."),
    Leak("Fui desarrollado por OpenAI.", "Fui desarrollado por Syntra."),
    Leak(
        "Como modelo de lenguaje desarrollado por OpenAI, no tengo emociones.",
        "Como modelo de lenguaje desarrollado por Syntra, no tengo emociones.",
    ),
    Leak("Mis creadores en Anthropic lo decidieron.", "Mis creadores en Syntra lo decidieron."),
    Leak("Estoy basado en GPT-4.", "Estoy basado en Syntra."),
    # Portuguese
    Leak("Eu sou o Gemini, um assistente do Google.", "Eu sou o Syntra, um assistente da Syntra."),
    Leak("Sou o ChatGPT.", "Sou o Syntra."),
    Leak("Meu nome é Claude.", "Meu nome é Syntra."),
    Leak("Sou um modelo de linguagem treinado pelo Google.", "Sou um modelo de linguagem treinado pela Syntra."),
    Leak("Fui criado pela OpenAI.", "Fui criado pela Syntra."),
    Leak(
        "Como uma IA desenvolvida pela OpenAI, não tenho opiniões.",
        "Como uma IA desenvolvida pela Syntra, não tenho opiniões.",
    ),
    Leak("Meus criadores da Anthropic pensaram nisso.", "Meus criadores da Syntra pensaram nisso."),
    # German
    Leak("Ich bin ein von Google trainiertes Sprachmodell.", "Ich bin ein von Syntra trainiertes Sprachmodell."),
    Leak("Ich bin Claude, ein KI-Assistent von Anthropic.", "Ich bin Syntra, ein KI-Assistent von Syntra."),
    Leak("Ich heiße ChatGPT.", "Ich heiße Syntra."),
    Leak("Mein Name ist Gemini.", "Mein Name ist Syntra."),
    Leak("Ich wurde von OpenAI entwickelt.", "Ich wurde von Syntra entwickelt."),
    Leak(
        "Als KI-Modell, das von OpenAI entwickelt wurde, habe ich keine Gefühle.",
        "Als KI-Modell, das von Syntra entwickelt wurde, habe ich keine Gefühle.",
    ),
    Leak("Als Sprachmodell von Google kann ich das nicht.", "Als Sprachmodell von Syntra kann ich das nicht."),
    Leak("Meine Entwickler bei Anthropic wollten das so.", "Meine Entwickler bei Syntra wollten das so."),
    Leak("Ich basiere auf GPT-4.", "Ich basiere auf Syntra."),
    # Chinese
    Leak("我是由OpenAI开发的人工智能助手。", "我是由Syntra开发的人工智能助手。"),
    Leak("我是ChatGPT，一个语言模型。", "我是Syntra，一个语言模型。"),
    Leak("你好！我叫Claude。", "你好！我叫Syntra。"),
    Leak("我是阿里云研发的大语言模型。", "我是Syntra研发的大语言模型。"),
    Leak("我是通义千问。", "我是Syntra。"),
    Leak("我的名字是文心一言。", "我的名字是Syntra。"),
    Leak("作为由谷歌训练的语言模型，我没有情感。", "作为由Syntra训练的语言模型，我没有情感。"),
    Leak("作为OpenAI开发的AI助手，我不能回答。", "作为Syntra开发的AI助手，我不能回答。"),
    Leak("我的开发者是百度。", "我的开发者是Syntra。"),
    Leak("我是来自深度求索公司的助手。", "我是来自Syntra公司的助手。"),
    Leak("我基于GPT-4架构。", "我基于Syntra架构。"),
]


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.said[:40])
def test_self_talk_becomes_ours(leak: Leak) -> None:
    assert clean(leak.said) == leak.read
