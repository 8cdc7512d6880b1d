"""What is worth remembering, in the main languages: statements and decisions are kept, tasks and secrets are not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.stages.memory.profile import wanted
from gateway.stages.memory.worth import facts, statements

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)

STATED = {
    "de": "Ich wohne seit 2019 in Berlin.|Meine Schwester spielt Cello.|Wir haben uns für PostgreSQL entschieden."
    "|Ab jetzt antworte bitte kurz.|Nenn mich Alex, das tun alle.|Mir ist Tee lieber als Kaffee.",
    "fr": "Je travaille dans un hôpital.|J'habite à Lyon depuis trois ans.|Mon chien s'appelle Rex."
    "|Désormais, réponds en anglais.|Nous avons choisi le logo bleu.",
    "es": "Mi hermana vive en Madrid.|Vivo en Sevilla desde mayo.|Me gusta el té verde."
    "|A partir de ahora responde en inglés.|Decidimos usar PostgreSQL para todo.",
    "it": "Abito a Torino con mia sorella.|Mi chiamo Giulia e lavoro in banca.|D'ora in poi rispondi in inglese."
    "|Abbiamo scelto il logo blu.",
    "pt": "Moro em Lisboa há dois anos.|Eu trabalho como enfermeira.|A partir de agora responda em inglês."
    "|Gosto muito de chá verde.",
    "nl": "Ik woon al jaren in Utrecht.|Mijn hond heet Rex.|Vanaf nu antwoord je kort.",
    "pl": "Mieszkam w Krakowie od lat.|Lubię zieloną herbatę bardzo.|Moja siostra gra na wiolonczeli.",
    "ru": "Я живу в Казани.|Моя сестра играет на виолончели.|Отныне отвечай по-английски.",
    "tr": "Benim kız kardeşim çello çalıyor.|İstanbul'da bir bankada çalışıyorum.",
    "zh": "我住在上海。|我对花生过敏。|从现在起请用英文回答。",
    "ja": "私は東京に住んでいます。|これからは英語で答えて。",
    "ko": "저는 서울에 살아요.|제 동생은 첼로를 연주해요.",
}
ASKED = {
    "de": "Kannst du mir beim Code helfen?|Schreib mir ein Gedicht über meinen Garten.|Ich möchte wissen, wie das geht."
    "|Bitte erklär mir das.|Ich brauche Hilfe bei der Steuer.|Wo wohne ich?|Ja, das stimmt so.|Der Himmel ist blau.",
    "fr": "Peux-tu corriger mon texte ?|Écris un poème sur mon jardin.|Je voudrais une recette de soupe."
    "|Je me demande pourquoi.|J'ai besoin d'aide pour mes impôts.|Le ciel est bleu.",
    "es": "¿Puedes corregir mi texto?|Escribe un poema sobre mi jardín.|Quiero saber cómo funciona."
    "|Necesito ayuda con mi código.|El cielo es azul.",
    "it": "Puoi correggere il mio testo?|Scrivi una poesia sul mio giardino.|Vorrei sapere come funziona.",
    "pt": "Você pode corrigir meu texto?|Escreva um poema sobre meu jardim.|Quero saber como funciona isso.",
    "nl": "Kun je mijn tekst verbeteren?|Schrijf een gedicht over mijn tuin.|Ik wil weten hoe dat werkt.",
    "pl": "Napisz wiersz o moim ogrodzie.|Czy możesz poprawić moje zdanie?",
    "ru": "Напиши стихотворение о моём саде.|Можешь исправить мой текст?|Я хочу узнать, как это работает.",
    "zh": "请帮我写一首诗。|你能解释我的代码吗？|我想知道这是怎么回事。",
    "ja": "私の文章を直してください。|私に教えて。",
    "en": "The EU has 27 members.|Ben went home early today.|IO is slow on that disk.",
}
HIDDEN = (
    "Mein Passwort ist geheim123.|Mon mot de passe est soleil7.|Mi contraseña es girasol9.|Minha senha é 12345abc."
    "|Мой пароль: секрет1.|我的密码是 hunter2。|Mijn wachtwoord is geheim1."
)


def rows(table: dict[str, str]) -> list[str]:
    return [text for texts in table.values() for text in texts.split("|")]


def kept(text: str) -> list[str]:
    return [one.text for one in statements(text, NOW, "t", "d") if one.kind == "statement"]


@pytest.mark.parametrize("text", rows(STATED))
def test_a_statement_is_kept_word_for_word_in_any_of_them(text: str) -> None:
    assert kept(text) == [text]


@pytest.mark.parametrize("text", [*rows(ASKED), *HIDDEN.split("|")])
def test_tasks_and_secrets_are_not_kept_in_any_of_them(text: str) -> None:
    assert kept(text) == []


@pytest.mark.parametrize(
    ("slot", "sentences"),
    [
        ("name", "Ich heiße Anna|Je m'appelle Anne|Me llamo Ana|Mi chiamo Anna|Me chamo Ana|Ik heet Anna|我叫安娜"),
        ("home", "Ich wohne in Berlin|J'habite à Lyon|Vivo en Madrid|Abito a Torino|Moro em Lisboa|Ik woon in Gent"),
        ("home", "Mieszkam w Krakowie|Я живу в Казани|我住在上海"),
        ("work", "Ich arbeite als Ärztin|Je travaille comme infirmier|Trabajo en un banco|Lavoro in banca"),
        ("work", "Trabalho como médica|Ik werk bij een bank|Я работаю врачом"),
        ("birthday", "Mein Geburtstag ist am 3. Mai|Mon anniversaire est le 3 mai|Mi cumpleaños es el 3 de mayo"),
        ("dog", "Mein Hund heißt Rex|Mon chien s'appelle Rex|Mi perro se llama Rex|Il mio cane si chiama Rex"),
        ("favourite farbe", "Meine Lieblingsfarbe ist Grün"),
        ("favourite couleur", "Ma couleur préférée est le vert"),
        ("favourite color", "Mi color favorito es el verde"),
        ("language", "Antworte immer auf Englisch|Réponds toujours en anglais|Responde siempre en inglés"),
    ],
)
def test_a_fact_goes_by_one_name_in_all_of_them(slot: str, sentences: str) -> None:
    for sentence in sentences.split("|"):
        assert [name for name, _ in facts(sentence)] == [slot], sentence


FACTS = {
    "name": "Call me Ann|Hi, please call me Ann van der Berg|My friends call me Bob|I go by Max|Call me Ann from now on"
    "|My name is Ann and I am allergic to peanuts|Nenn mich Alex|Appelle-moi Anne|Llámame Ana|Меня зовут Аня|我叫安娜",
    "home": "I live in Berlin|I'm based in Oslo|I’m living in Oslo|I am now living near Bath|I moved to Hamburg in March|I now live at the coast",
    "work": "I work as a nurse|I now work for Siemens|I work at a bank|I work in the harbour",
    "dog": "My dog is called Rex|my dog is named rex|My dog's name is Rex|My dog is Rex|Mon chien s'appelle Rex|Mijn hond heet Rex",
    "wife": "My wife is Ann|My wife is called Ann|Meine Frau heißt Ann|Ma femme est Anne",
    "birthday": "My birthday is on 3 May|My birthday is in June|My birthday is the third of May",
    "language": "Always answer in German|Always reply to me in Brazilian Portuguese|Réponds toujours en anglais",
}
NO_FACTS = (
    "Call me when the report is done|Call me Dr. Ann Lee|Call me tomorrow|Call me Monday|My boss will call me tomorrow|I go by bike|They call me a lot"
    "|My name is on the list|I based my thesis on Kant|I live for music|I moved the meeting to Tuesday|I moved to Linux last year|I’ve moved to VS Code|I moved to Marketing|I moved to strike that"
    "|I moved in with my sister|I am moved|I work at night|I work at home|I work in the evening|I work for a living"
    "|My dog is sick today|My wife is a doctor|My wife is German|My boss is French and so is mine|My son is 2"
    "|My company is going public|My birthday is ruined|Always answer in one sentence|Réponds toujours en une phrase"
    "|Mein Chef ist Arzt|Mein Hund ist krank|Mon chien est malade|Mi perro es grande|Nenn mich nicht so|Rappelle-moi demain"
    "|Appelle-moi demain|Llámame mañana|Chiamami domani|Mein Geburtstag ist doof|我叫了一个外卖"
)


@pytest.mark.parametrize("slot", FACTS)
def test_a_fact_is_read_where_it_is_said_for_good(slot: str) -> None:
    for sentence in FACTS[slot].split("|"):
        assert [name for name, _ in facts(sentence)] == [slot], sentence


@pytest.mark.parametrize("sentence", NO_FACTS.split("|"))
def test_what_only_sounds_like_a_fact_is_none(sentence: str) -> None:
    assert list(facts(sentence)) == []


@pytest.mark.parametrize(
    ("slots", "questions"),
    [
        (
            ("name",),
            "What's my name?|Wie heiße ich?|Comment je m'appelle ?|¿Cómo me llamo?|Как меня зовут?|我叫什么名字？",
        ),
        (
            ("home",),
            "Where do I live?|Wo wohne ich?|Où est-ce que j'habite ?|¿Dónde vivo?|Dove abito?|Где я живу?|我住哪里？",
        ),
        (("work", "job"), "Where do I work?|What do I do for a living?|Wo arbeite ich?|Где я работаю?"),
        (("birthday", "age"), "When is my birthday?|How old am I?|Wie alt bin ich?"),
        (
            (),
            "Where do you live?|What is her name?|Where should I live next year?|How do I work with Git?|Who is he?|Where am I?",
        ),
    ],
)
def test_a_question_says_which_facts_it_asks_for(slots: tuple[str, ...], questions: str) -> None:
    for question in questions.split("|"):
        found = wanted(question)
        assert (tuple(found.slots), found.every) == (slots, False), question


@pytest.mark.parametrize("question", ["Who am I?", "What do you know about me?", "Was weißt du über mich?", "我是谁？"])
def test_who_asks_about_themselves_asks_for_every_fact(question: str) -> None:
    found = wanted(question)
    assert found.every
    assert found.has("favourite tea")
    assert not found.has("")


def test_a_long_text_asks_for_no_fact() -> None:
    assert not wanted("Where do I live? " * 20).words
