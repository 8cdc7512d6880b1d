"""In every script what is about the question is told, and what is not is not: by the product's own search."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.fakes.gateway import Gateway
from tests.fakes.provider import Provider
from tests.fakes.users import User, said

# Memories; questions with the number of the memory that answers each; and questions that none of them is about.
SAID = {
    "en": (
        "My son is 2.|My dog is sick today.|I live in Porto, near the harbour.|My favourite tea is Darjeeling.",
        "Which tea is my favourite?=3|Where in Porto do I live?=2",
        "2+2|What is 2 + 2?|What day is it today?|Why is the sky blue?|How many days are in a week?",
    ),
    "en whose words others have": (  # son, war, mit and die are words of the grammar elsewhere
        "My son is called Leo.|I took my degree at MIT.|My uncle wrote letters in the war.|The cat will die soon.",
        "What's the name of my son?=0|What did I take at MIT?=1|Who wrote in the war?=2|Who will die?=3",
        "Who won?|What is the name of the moon?",
    ),
    "de": (
        "Mein Hund heißt Rex.|Ich bin gegen Erdnüsse allergisch.|Meine Schwester spielt Cello.",
        "Wie heißt mein Hund?=0|Gegen welche Nüsse bin ich allergisch?=1|Was spielt meine Schwester?=2",
        "Was heißt das?|Warum ist der Himmel blau?|Welcher Tag ist heute?",
    ),
    "ru": (
        "Я живу в Москве.|У меня аллергия на арахис.|Мою сестру зовут Аня.|Мой любимый чай — дарджилинг.",
        "Где я живу?=0|На что у меня аллергия?=1|Как зовут мою сестру?=2|Какой мой любимый чай?=3",
        "Почему небо голубое?|Сколько будет два плюс два?|Какой сегодня день?|Напиши стихотворение об осени.",
    ),
    "el": (
        "Μένω στην Αθήνα.|Έχω αλλεργία στα φιστίκια.|Η αδερφή μου παίζει τσέλο.",
        "Πού μένω;=0|Σε τι έχω αλλεργία;=1|Τι παίζει η αδερφή μου;=2",
        "Γιατί ο ουρανός είναι μπλε;|Τι μέρα είναι σήμερα;|Πόσο κάνει δύο και δύο;",
    ),
    "ar": (
        "أنا أعيش في القاهرة.|عندي حساسية من الفول السوداني.|أختي تعزف على التشيلو.",
        "أين أعيش؟=0|ماذا تعزف أختي؟=2|هل عندي حساسية؟=1",
        "لماذا السماء زرقاء؟|ما هو اليوم؟|كم يساوي اثنان زائد اثنين؟",
    ),
    "hi": (
        "मैं दिल्ली में रहता हूँ।|मेरा बेटा पाँच साल का है।|मुझे मूंगफली से एलर्जी है।",
        "मैं कहाँ रहता हूँ?=0|मेरा बेटा कितने साल का है?=1|मुझे किससे एलर्जी है?=2",
        "आसमान नीला क्यों है?|आज कौन सा दिन है?|दो और दो कितने होते हैं?",
    ),
    "ko": (
        "저는 서울에 살아요.|저는 땅콩 알레르기가 있어요.|제 여동생 이름은 지수예요.|내가 좋아하는 차는 보이차야.",
        "저는 어디에 살아요?=0|저는 무슨 알레르기가 있어요?=1|제 여동생 이름이 뭐예요?=2|내가 좋아하는 차는 뭐야?=3",
        "하늘은 왜 파란가요?|오늘은 무슨 요일인가요?|2 더하기 2는 얼마인가요?|한국의 수도는 어디예요?|가을에 대한 시를 써 주세요.",
    ),
    "ja": (
        "私は東京に住んでいます。|私はピーナッツのアレルギーがあります。|妹の名前は花子です。|私の好きなお茶は玉露です。",
        "私はどこに住んでいますか？=0|私のアレルギーは何ですか？=1|妹の名前は何ですか？=2|私の好きなお茶は何ですか？=3",
        "空はなぜ青いのですか？|今日は何曜日ですか？|秋についての詩を書いてください。|フランスの首都はどこですか？|2足す2は？",
    ),
    "zh": (
        "我住在上海。|我对花生过敏。|我妹妹叫小红。|我最喜欢的茶是龙井。",
        "我住在哪里？=0|我对什么过敏？=1|我妹妹叫什么名字？=2|我最喜欢的茶是什么？=3",
        "中国的首都是哪里？|天空为什么是蓝色的？|今天星期几？|写一首关于秋天的诗。|2加2等于多少？|我的电脑为什么很慢？",
    ),
    "es": (
        "Vivo en Sevilla.|Soy alérgica a los cacahuetes.|Mi perro se llama Rex.",
        "¿Cómo se llama mi perro?=2|¿Soy alérgica a qué?=1",
        "¿Por qué el cielo es azul?|¿Qué día es hoy?|¿Cuánto es 2 + 2?",
    ),
    "fr": (
        "J'habite à Lyon.|Je suis allergique aux arachides.|Mon chien s'appelle Rex.",
        "Comment s'appelle mon chien ?=2|À quoi suis-je allergique ?=1",
        "Pourquoi le ciel est-il bleu ?|Quel jour sommes-nous ?|Combien font 2 et 2 ?",
    ),
    "pl": (
        "Mieszkam w Krakowie.|Mam alergię na orzeszki.|Moja siostra gra na wiolonczeli.",
        "Na co mam alergię?=1|Na czym gra moja siostra?=2",
        "Dlaczego niebo jest niebieskie?|Jaki jest dziś dzień?",
    ),
    "tr": (
        "Ankara'da yaşıyorum.|Fıstığa alerjim var.|Kız kardeşim çello çalıyor.",
        "Neye alerjim var?=1|Kız kardeşim ne çalıyor?=2",
        "Gökyüzü neden mavi?|Bugün günlerden ne?",
    ),
    "uk": (
        "Я живу у Львові.|У мене алергія на арахіс.",
        "Де я живу?=0|На що у мене алергія?=1",
        "Чому небо блакитне?|Який сьогодні день?",
    ),
    "he": (
        "אני גר בתל אביב.|יש לי אלרגיה לבוטנים.",
        "איפה אני גר?=0",
        "למה השמיים כחולים?|איזה יום היום?",
    ),
}
MATTERS = 0.8


def told(user: User, question: str) -> set[str]:
    """The memories that a model would be told, a fact as the statement that it was read in."""
    found = user.memories(params={"query": question, "limit": 10}).json()["data"]
    return {one.get("derived_from", one["id"]) for one in found if one["relevance"] >= MATTERS}


@pytest.mark.parametrize("tongue", SAID)
def test_what_answers_is_told_and_what_is_beside_the_point_is_not_in_any_script(home: Gateway, tongue: str) -> None:
    known, answered, beside = (part.split("|") for part in SAID[tongue])
    user = User(home)
    kept = user.memories(method="POST", json={"memories": [{"text": text} for text in known]}).json()["data"]
    for row in answered:
        question, number = row.split("=")
        assert told(user, question) == {kept[int(number)]["id"]}, question
    for question in beside:
        assert not told(user, question), question


def test_a_fact_is_told_to_who_asks_for_it_in_other_words(ann: User, providers: Mapping[str, Provider]) -> None:
    facts = ("My name is Ann", "I moved to Hamburg in March", "I work as a nurse", "Always answer in German")
    ann.chat(". ".join([*facts, "I met a sailor in town and we talked about our work."]))
    ann.knows(*facts)
    for question, wanted in (
        ("What do you know about me?", facts),
        ("Wer bin ich?", facts),
        ("What is my name?", facts[:1]),
        ("Where do I live?", facts[1:2]),
        ("Wo wohne ich?", facts[1:2]),
        ("¿Dónde vivo?", facts[1:2]),
        ("我住在哪里？", facts[1:2]),
        ("What do I do for work?", facts[2:3]),
        ("Where do you live?", ()),
        ("Who are you?", ()),
        ("What does your name mean?", ()),
    ):
        ann.chat(question, headers={"x-syntra-memory": "read"})
        told = said(providers["openai"])
        assert tuple(one for one in facts if one in told) == tuple(wanted), question
