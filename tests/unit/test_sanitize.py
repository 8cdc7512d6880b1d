"""What the sanitizer promises: self-talk becomes Syntra's, everything else stays, and nothing waits for long."""

import time
from dataclasses import dataclass

import pytest

from gateway.stages.sanitize import HOLD, Sanitizer


def clean(text: str, quoted: str = "", name: str = "Syntra") -> str:
    sanitizer = Sanitizer(name, quoted)
    return sanitizer.feed(text) + sanitizer.finish()


@dataclass(frozen=True)
class Leak:
    """What a model said of itself, and what the user reads."""

    said: str
    read: str


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


ABOUT_OTHERS = [
    "ChatGPT was made by OpenAI.",
    "Google was founded in 1998.",
    "OpenAI released GPT-4 in March 2023.",
    "As an AI language model developed by OpenAI, ChatGPT answers questions.",
    "As an AI model developed by Anthropic, it follows a constitution.",
    "Claude, made by Anthropic, is known for long contexts.",
    "I think of Gemini as a model developed by Google.",
    "I see it as an AI developed by OpenAI for the public.",
    "Both ChatGPT and I answer questions.",
    "I am not ChatGPT.",
    "I'm not made by Google.",
    "I'm like ChatGPT in some ways.",
    "I am a different model from Claude.",
    "I know that GPT-4 was trained by OpenAI.",
    "Anthropic trained Claude with a constitution.",
    "Their assistant is powered by GPT-4.",
    "He said that he was trained by Google engineers.",
    "My favourite assistant is Claude.",
    "My phone runs Gemini.",
    "My question about OpenAI's policy is simple.",
    "Meta's Llama models are open.",
    "I'd compare Mistral with Llama first.",
    "You can talk to ChatGPT in a browser.",
    "Call me when Google answers.",
    "El modelo fue creado por OpenAI.",
    "Como modelo de lenguaje desarrollado por OpenAI, ChatGPT responde preguntas.",
    "Claude est un modèle développé par Anthropic.",
    "Je connais Claude et Gemini.",
    "ChatGPT wurde von OpenAI entwickelt.",
    "Ich benutze ChatGPT jeden Tag.",
    "O Gemini foi criado pelo Google.",
    "ChatGPT是由OpenAI开发的。",
    "我喜欢用ChatGPT写代码。",
    "我觉得谷歌的模型很好。",
]


@pytest.mark.parametrize("text", ABOUT_OTHERS, ids=lambda text: text[:40])
def test_talk_about_a_provider_stays(text: str) -> None:
    assert clean(text) == text


PEOPLE = [
    "I am an engineer at Google.",
    "I work at Meta, in the ads team.",
    "I'm using GPT-4 for this.",
    "I bought it on Google.",
    "I am a product manager at Microsoft.",
    "I'm an OpenAI engineer.",
    "I'm a Google user since 2004.",
    "I was hired by Amazon last year.",
    "I am Claude Monet, and I paint water lilies.",
    "I'm Claude, a baker from Lyon.",
    "I am Sir Claude of the northern woods.",
    "I'm Nova, captain of this ship.",
    "I'm a bard, and this is my song.",
    "My name is Claude Dupont and I live in Paris.",
    "My name is Dolly and I love horses.",
    "My team at Google shipped it in May.",
    "I asked ChatGPT to write a poem.",
    "I use OpenAI's API in this example.",
    "I'm writing to Anthropic about the position.",
    "I'm reading a book about DeepMind.",
    "I am a fan of Gemini.",
    "Google made me an offer.",
    "Google made me think twice.",
    "I built a bot with GPT-4.",
    "As a developer at Google, I like tests.",
    "As an engineer trained by Microsoft, I know Windows.",
    "As a user of ChatGPT, I agree.",
    "Here at Google, we love coffee.",
    "This is Claude, my brother.",
    "I am a teacher who uses an AI assistant developed by Google.",
    "I am studying language models developed by OpenAI.",
    "I'm looking for a model made by Meta.",
    "I'm working on a chatbot powered by GPT-4.",
    "Soy ingeniero en Google.",
    "Je suis ingénieur chez Google.",
    "Je suis Claude Monet.",
    "Ich bin Entwickler bei Google.",
    "Sou engenheiro do Google.",
    "我是谷歌的工程师。",
    "我在百度工作。",
]


@pytest.mark.parametrize("text", PEOPLE, ids=lambda text: text[:40])
def test_people_who_speak_of_themselves_are_left_alone(text: str) -> None:
    assert clean(text) == text


LOOKALIKES = [
    "The assistant was created by OpenAI.",
    "I am interested in models developed by Google.",
    "I am happy that Google developed this.",
    "I'm a student at Stanford.",
    "I'm at Stanford University now.",
    "I'm from Stanford.",
    "I was trained at Google for two weeks.",
    "I was trained by Google's sales team.",
    "I was raised by wolves.",
    "I was made by my parents.",
    "I'm Sydney Carter, nice to meet you.",
    "I am an AI researcher at OpenAI.",
    "I'm an AI engineer from Google.",
    "I am a machine learning engineer at Meta.",
    "I am a language model researcher working with Anthropic.",
    "I am impressed by Claude.",
    "I'm powered by coffee.",
    "I'm based in Berlin, near the Google office.",
    "My model was trained on GPT-4 outputs by my students.",
    "My model is a fine-tuned BERT.",
    "My data is from Amazon reviews.",
    "My knowledge of Google Cloud is limited.",
    "My answer is that Google owns YouTube.",
    "My company is using OpenAI.",
    "My company, Google, pays well.",
    "My code calls OpenAI.",
    "My computer is made by Apple.",
    "My phone was made by Apple.",
    "As an AI, I don't have feelings about ChatGPT.",
    "As an AI language model, I can tell you about OpenAI's products.",
    "As an AI language model, ChatGPT can't feel.",
    "As an AI startup founded by Google engineers, we build robots.",
    "As a tool developed by Microsoft, TypeScript is popular with my team.",
    "As a language developed by Google, Go is simple, and I like it.",
    "As a framework created by Meta, React is popular. I use it daily.",
    "I like TensorFlow as a library developed by Google.",
    "You can ask ChatGPT.",
    "You can call me at noon, Claude.",
    "Call me Ishmael.",
    "Here is Claude's answer.",
    "This is Claude Monet's garden.",
    "This is Gemini, a constellation.",
    "Google trains its models on TPUs.",
    "OpenAI used Reddit data to train GPT-2.",
    "OpenAI told me that the key had expired.",
    "Google sent me an email.",
    "Microsoft asked me to update.",
    "Amazon gave me a refund.",
    "OpenAI charged me twice.",
    "Google's policies prevent advertisers from doing this.",
    "If you use OpenAI's API, follow OpenAI's usage policies.",
    "I read OpenAI's usage policies yesterday.",
    "I recommend that you read Anthropic's guidelines.",
    "We're building on GPT-4.",
    "We use a model developed by OpenAI.",
    "We are a team founded by Google alumni.",
    "I'm talking to ChatGPT.",
    "I'm a huge fan of models made by Mistral AI.",
    "I created a model called Claude.",
    "I have a dog named Claude.",
    "I have the name of a Google engineer.",
    "I got the Google job!",
    "I am writing this in Google Docs.",
    "I am running on Google Cloud.",
    "I run on Amazon EC2.",
    "I work with Meta's team.",
    "I'm 5 years at Amazon.",
    "I was in Claude's office.",
    "I am Bing Crosby.",
    "I'm Alpaca farmer Joe.",
    "I, Claudius, am emperor.",
    "Dear team, I am the new lead of Gemini.",
    "I am a cloud architect certified by Google.",
    "I'm certified by Microsoft.",
    "I was contacted by Amazon.",
    "I was interviewed by OpenAI.",
    "I was inspired by Claude.",
    "I am not a model developed by Google.",
    "I'm neither ChatGPT nor Claude.",
    "Is it true that I was wrong about GPT-4?",
    "Soy fan de Google.",
    "Soy un usuario de ChatGPT.",
    "Trabajo como ingeniero en Google.",
    "Como usuario de ChatGPT, estoy contento.",
    "Soy Claude Monet.",
    "Je suis un utilisateur de ChatGPT.",
    "Je travaille chez Google.",
    "Je suis développeur chez Google.",
    "Mon modèle préféré est Claude.",
    "Je suis étudiant et j'utilise ChatGPT.",
    "Ich bin ein Fan von Google.",
    "Ich arbeite bei Google.",
    "Ich habe ChatGPT von OpenAI getestet.",
    "Ich wurde von Google eingestellt.",
    "Ich wurde von Google kontaktiert.",
    "Als Entwickler bei Google kenne ich das.",
    "Als Nutzer von ChatGPT bin ich zufrieden.",
    "Mein Handy ist von Google.",
    "Sou usuário do ChatGPT.",
    "Sou funcionário da OpenAI.",
    "Trabalho no Google como engenheiro.",
    "我正在使用OpenAI的API。",
    "我是一名在谷歌工作的工程师。",
    "我用百度搜索。",
    "我认为ChatGPT是由OpenAI开发的。",
    "我的手机是华为的。",
    "我喜欢阿里巴巴。",
    "作为一个由谷歌开发的语言，Go很简单。",
    "Google, the creator of Android, released it.",
    "OpenAI, the creator of ChatGPT, is in California.",
    "OpenAI is the creator of ChatGPT.",
    "Google is the developer of Android.",
    "Google is the company that made my phone.",
    "Google called me yesterday.",
    "Google taught me a lot about management.",
    "Google gave me my first job.",
    "Amazon called me back.",
    "We were founded by Google engineers.",
    "We are backed by Microsoft.",
    "I am a member of Google's board.",
    "I'm part of Google.",
    "I am a member of the Gemini team.",
    "I come from Stanford.",
    "I work on Gemini.",
    "I can't recommend that, because it violates Google's terms of service.",
    "I cannot open Amazon's terms of service page.",
    "I'm an assistant at Stanford.",
    "I am an adept assistant.",
    "I am a minimax agent.",
    "My training at Google took a week.",
    "Google me hizo una oferta.",
    "Nutze ich von Google entwickelte Tools, spare ich Zeit.",
    "我的老板来自谷歌。",
    "我的手机是谷歌的。",
    "我使用GPT-4模型写作。",
    "我是谷歌的产品经理。",
    "Yours, your loving partner, Claude.",
    "I was offered by Google a new contract.",
    "I was published by Stanford.",
    "I'm fair.",
    "I was supported by Google.",
    "Meta, the company that hired me, pays well.",
    "Microsoft, who employed me for years, closed the office.",
    "I'm Phil, and I use ChatGPT.",
    "I was happy with the model made by Google.",
    "I gave a talk as an AI expert at Google.",
    "As an AI safety researcher at Anthropic, I work on evals.",
    "As a model, Claudia travels a lot.",
    "As an AI company, OpenAI is large. I like it.",
    "As a product of Google, Android is open, I think.",
    "I'd say that as an AI developed by OpenAI, ChatGPT has limits.",
    "I built an AI assistant developed with OpenAI tools.",
    "My app is an AI assistant powered by GPT-4.",
    "My AI model is better than GPT-4.",
    "My language model is better than GPT-4.",
    "I think OpenAI designed this for developers.",
    "It told me that OpenAI trained it.",
    "She is called Claude.",
    "His name is Claude.",
    "They call it Gemini.",
    "You're talking about ChatGPT.",
    "You are using ChatGPT.",
    "I trained Llama on my data.",
    "I fine-tuned GPT-3.5 yesterday.",
    "I am comparing Claude and Gemini.",
    "I'm Team Gemini.",
    "I'm in love with Claude.",
    "I'm calling from Google.",
    "I'm with OpenAI on this.",
]


@pytest.mark.parametrize("text", LOOKALIKES, ids=lambda text: text[:40])
def test_what_only_looks_like_self_talk_stays(text: str) -> None:
    assert clean(text) == text


@dataclass(frozen=True)
class Untouched:
    """A text that stays, and where its words are."""

    place: str
    text: str


NOT_OURS = [
    Untouched("fenced code", '```python\nprint("hi")\n# I am Claude, made by Anthropic.\n```\n'),
    Untouched("tildes", "~~~\nI'm ChatGPT.\n~~~"),
    Untouched("a longer fence", "````\n```\nI am Claude.\n```\nI am Claude.\n````"),
    Untouched("a fence in a list", "- look:\n  ```\n  I'm ChatGPT.\n  ```\n"),
    Untouched("an open fence", "```\nI am Claude.\n\nI am Claude."),
    Untouched("inline code", "Type `I am Claude.` and press return."),
    Untouched("two backticks", "Type ``I am `Claude`.`` and press return."),
    Untouched("indented code", "Look:\n\n    I am Claude.\n\tI'm ChatGPT.\n"),
    Untouched("straight quotes", 'It said "I am Claude." and stopped.'),
    Untouched("curly quotes", "It said “I'm ChatGPT, made by OpenAI” and stopped."),
    Untouched("single quotes", "It said 'Hello, I am Claude.' and stopped."),
    Untouched("guillemets", "Il dit « Je suis Claude. » puis rien."),
    Untouched("German quotes", "Es sagte: „Ich bin Claude.“"),
    Untouched("Chinese quotes", "它说：“我是ChatGPT。”"),
    Untouched("corner brackets", "它说：「我是ChatGPT。」"),
    Untouched("a block quotation", "> I am Claude, made by Anthropic.\n"),
]


@pytest.mark.parametrize("case", NOT_OURS, ids=lambda case: case.place)
def test_code_and_quotations_are_never_changed(case: Untouched) -> None:
    assert clean(case.text) == case.text


@pytest.mark.parametrize("case", NOT_OURS[:4] + NOT_OURS[5:8], ids=lambda case: case.place)
def test_prose_after_code_is_read_again(case: Untouched) -> None:
    text = case.text.rstrip("\n")
    assert clean(text + "\n\nI'm ChatGPT.") == text + "\n\nI'm Syntra."


def test_what_the_user_wrote_is_given_back_word_for_word() -> None:
    quoted = "Please translate: I am Claude,\nmade by Anthropic. Thank you!"
    assert (
        clean("You wrote I am Claude, made by Anthropic. Right?", quoted)
        == "You wrote I am Claude, made by Anthropic. Right?"
    )
    assert clean("I'm Claude!", quoted) == "I'm Syntra!"


def test_a_question_about_a_name_does_not_excuse_the_answer() -> None:
    assert clean("Yes, I'm ChatGPT.", "Are you ChatGPT?") == "Yes, I'm Syntra."


def test_a_story_keeps_the_people_whom_the_user_asked_for() -> None:
    assert clean("I am Claude.", "Write a story about a gardener named Claude.") == "I am Claude."
    assert clean("I am Claude.", "Who are you, Claude?") == "I am Syntra."


def test_our_own_name_stays() -> None:
    assert clean("I'm Syntra, made by Syntra.") == "I'm Syntra, made by Syntra."


def test_an_organisation_may_have_a_name_of_its_own() -> None:
    assert clean("I'm an OpenAI model.", name="Atlas") == "I'm an Atlas model."
    assert clean("I'm a Google model.", name="Atlas") == "I'm an Atlas model."
    assert clean("Je suis l'assistant d'OpenAI.", name="Atlas") == "Je suis l'assistant d'Atlas."


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "\x7fab", "ab\x84", "a\x9b\x07b"])
def test_control_characters_never_leave(text: str) -> None:
    assert clean(text) == "ab"


def test_control_characters_do_not_leave_in_code_either() -> None:
    assert clean("```\na\x08b\n```") == "```\nab\n```"


def test_tabs_and_line_ends_leave_as_they_are() -> None:
    assert clean("a\tb\r\nc\u2028d") == "a\tb\r\nc\u2028d"


@dataclass(frozen=True)
class Key:
    """A text with one of our keys, and what may leave of it."""

    text: str
    left: str


KEYS = [
    Key("Your key is sk-syn-Ab3_9-x.", "Your key is sk-syn-[hidden]."),
    Key("```\nkey = 'sk-syn-abc'\n```", "```\nkey = 'sk-syn-[hidden]'\n```"),
    Key("sk-syn-one sk-syn-two", "sk-syn-[hidden] sk-syn-[hidden]"),
    Key("xsk-syn-abc", "xsk-syn-[hidden]"),
    Key("sk-s\x00yn-abc", "sk-syn-[hidden]"),
    Key("sk-sk-syn-abc", "sk-sk-syn-[hidden]"),
    Key("keys begin with sk-syn- and more", "keys begin with sk-syn- and more"),
    Key("sk-other-abc", "sk-other-abc"),
    Key("sk-syn-[hidden]", "sk-syn-[hidden]"),
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.text[:20])
@pytest.mark.parametrize("size", [1, 2, 5, 99])
def test_our_keys_never_leave(key: Key, size: int) -> None:
    sanitizer = Sanitizer()
    pieces = [key.text[at : at + size] for at in range(0, len(key.text), size)]
    assert "".join(map(sanitizer.feed, pieces)) + sanitizer.finish() == key.left


def test_ordinary_text_leaves_at_once() -> None:
    sanitizer = Sanitizer()
    for chunk in ["Sure", "!", " The", " capital", " of", " France is Paris."]:
        assert sanitizer.feed(chunk) == chunk


@dataclass(frozen=True)
class Wait:
    """What comes, piece by piece, and what leaves after each."""

    fed: tuple[str, ...]
    left: tuple[str, ...]


WAITS = [
    Wait(("I", " think", " hills"), ("", "I think", " hills")),
    Wait(("As", " we", " said"), ("", "As ", "we said")),
    Wait(("I am", " Cla", "ude", "."), ("", "", "", "I am Syntra.")),
    Wait(("My", " view", " is"), ("", "", "My view is")),
    Wait(("Goo", "d", " morning"), ("", "Good", " morning")),
    Wait(("a `x", "` I", " see"), ("a `x", "` ", "I see")),
]


@pytest.mark.parametrize("wait", WAITS, ids=lambda wait: "".join(wait.fed))
def test_text_leaves_as_soon_as_it_cannot_become_a_match(wait: Wait) -> None:
    sanitizer = Sanitizer()
    assert tuple(map(sanitizer.feed, wait.fed)) == wait.left


ADVERSARIES = {
    "I am": "I am " * 60_000,
    "as a": "As a very, very, very " * 20_000,
    "spaces": " " * 1_000_000,
    "I am and spaces": "I am" + " " * 1_000_000,
    "one word": "a" * 1_000_000,
    "one line": "I'm the helpful, honest and harmless assistant of nobody, my training data and my model are " * 10_000,
    "backticks": "`" * 1_000_000,
    "quotes": "\"'“" * 100_000,
    "names": "OpenAI, the company, Anthropic's " * 15_000,
    "Han": "我是一个由" * 50_000,
}


@pytest.mark.parametrize("kind", ADVERSARIES)
def test_no_text_is_slow(kind: str) -> None:
    text = ADVERSARIES[kind]
    begin = time.process_time()
    assert clean(text[: len(text) // 4]) == text[: len(text) // 4]
    quarter = time.process_time() - begin
    begin = time.process_time()
    assert clean(text) == text
    assert time.process_time() - begin < 8 * quarter + 0.5


@pytest.mark.parametrize("kind", ADVERSARIES)
def test_what_is_held_back_is_bounded(kind: str) -> None:
    text = ADVERSARIES[kind][:20_000]
    sanitizer = Sanitizer()
    left = 0
    for fed in range(1, len(text) + 1):
        left += len(sanitizer.feed(text[fed - 1]))
        assert fed - left <= HOLD
