"""What a text is about, in words: without those that every text has, each cut to its stem, as numbers with weights.

The weights are BM25's for a text; how rare a stem is among one user's texts is the store's to say. Long texts lose
little: what people say is short, and on conversations less normalisation found more (docs/adr/0021).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final
from zlib import crc32

from gateway.core.language import language
from gateway.core.words import ends, split, word_at

_SATURATION: Final = 0.9  # k1: how soon saying a word again says nothing more
_LENGTH: Final = 0.3  # b: how much a long text loses
_USUAL: Final = 12.0  # words that are about something in a text of usual length

_REMEMBERED: Final = 4_096  # words whose stems are kept, a few more than anybody uses every day
_EARLY, _LATE = 8000, 4000  # characters of a long text that are looked at

COMMON: Final = frozenset(
    """a an the of to in on at for and or but is are was were be been being am i you he she it we they me him her us
    them my your his its our their mine yours this that these those with as by from do does did doing done have has had
    having will would can could should shall may might must what when where who whom whose which why how if then so not
    no there here about into than too very just s t d ll m re ve don didn doesn isn aren wasn won also some any
    der das dem des ein eine einen einem einer und oder aber ist sind waren bist sein ich du er sie es
    wir ihr mich mir dich dir uns euch mein meine dein deine nicht zu im am vom zum zur auf für von bei wie was wer
    wo wann warum le la les un une et ou mais est sont je tu il elle nous vous ils mon ma mes ton ta tes ne pas de du
    en au aux que qui quoi el los las y o pero es yo mi tu su sus no del al lo qué quién o os as e um uma
    não meu minha""".split()
)
# Of English, and of the grammar elsewhere: my son and his, the war and was.
_ENGLISH: Final = frozenset("bin den die mit son war".split())
# Words of requests, of time and of every sentence: they are looked for, but say nothing of what is asked.
IDLE: Final = frozenset(
    """please write tell give explain make help show continue thank thanks hello hi hey ok okay yes yeah sure know want
    need let go get like use new one two good great best more way thing things time times following using between
    today tomorrow yesterday now day days week weeks month months year years many much often
    heißt heißen bedeutet gibt geht macht machen kann kannst soll muss wird werden wurde habe hast haben
    denn dann noch schon auch nur sehr mehr als aus nach vor bei über unter durch seit heute morgen gestern jetzt tag
    tage jahr jahre uhr welche welcher welches wieso weshalb wem wen sich dieser diese dieses jeder jede alle
    signifie veut fait faire peut dans avec sur par sans sous plus cette cet ces sa ses leur comment
    quand pourquoi où quel quelle quels quelles combien aujourd hui demain hier maintenant jour jours an ans année été
    ai as ont avez avons cela ça se si très bien
    significa cómo cuándo dónde cuál cuáles cuánto cuántos por para con sobre hoy mañana ayer ahora día días año
    años hay ser está están estoy muy más este esta esto ese esa me te se lo le una unos unas hacer puede
    como quando onde qual quais quanto quantos por para com sem hoje amanhã ontem agora dia dias ano anos é são está
    muito mais isso isto este na da do nas nos das dos se fazer pode
    come quando dove quale quali quanto perché chi che cosa oggi domani ieri adesso ora giorno giorni anno anni è sono
    sei ho hai ha mio miei mie di del della dei il lo gli una per con su si molto più questo questa può
    hoe wat waar wanneer waarom welke hoeveel mijn zijn een het vandaag morgen gisteren nu dag jaar ik je jij
    voor met niet dat dit veel meer kan
    jak co gdzie kiedy dlaczego kto jaki jaka jakie ile czy jest są mój moja moje mam na w z do się nie to dziś dzisiaj
    jutro wczoraj teraz dzień rok od po
    ne nasıl nerede nereye zaman neden niçin hangi kaç mi mı mu mü bir ve bu şu benim senin için ile bugün yarın
    dün şimdi gün yıl çok var
    я ты он она оно мы вы они мне меня мной тебя тебе его ее её ей им их нас нам вас вам мой моя моё мое мои моего моей
    моему мою моих моим твой твоя и а но или не ни да нет в во на с со у к ко о об от до из за по под над при про для
    без через что кто где куда откуда когда почему зачем как какой какая какое какие каков какого какую сколько чей ли
    же бы то это этот эта эти тот та те так там тут здесь есть был была было были быть будет сегодня завтра вчера сейчас
    день дня дней год года лет очень ещё еще уже можно нужно такое
    що хто де коли чому як який яка яке які мій моя моє мої мене мені і й та або з із до від за сьогодні зараз є
    ο η το οι τα τον την του της των στο στη στην στον στις στα σε από με για και ή αλλά να θα δεν δε μη πως ότι που
    πού πότε πώς γιατί τι ποιος ποια ποιο ποιες πόσο πόσα μου σου μας σας εγώ εσύ είναι είμαι ήταν έχω έχει ένα ένας
    μια μία αυτό αυτή αυτός σήμερα αύριο χθες τώρα ημέρα μέρα χρόνια πολύ
    أنا انا أنت هو هي نحن هم في من إلى الى على عن مع ما ماذا متى أين اين كيف لماذا هل كم أي التي الذي هذا هذه ذلك تلك
    كان كانت يكون لا لم لن و أو ثم قد إن أن لي لك له لها عندي لدي اليوم غدا أمس الآن يوم سنة عام
    אני אתה את הוא היא אנחנו הם של על עם אל מן מה מי איפה מתי למה מדוע איך כמה האם זה זאת יש אין לי שלי היום מחר אתמול
    עכשיו יום שנה לא גם או כי
    मैं मुझे मेरा मेरी मेरे हम हमारा तुम आप वह यह ये वे इस उस का की के को में से पर ने और या है हैं हूँ हूं था थी थे हो
    क्या कौन कहाँ कहां कब क्यों कैसे कैसा कैसी कितना कितने कितनी नहीं भी तो ही एक आज कल अब दिन साल लिए कर करता करती
    करते कौन किस किसे किससे कौनसा सा सी रहा रही होता होती होते""".split()
)
_ENDINGS: Final = (
    ("sses", "ss", 2),
    ("ies", "y", 2),
    ("ied", "y", 2),
    ("ing", "", 3),
    ("edly", "", 3),
    ("ed", "", 3),
    ("ly", "", 4),
    ("es", "", 3),
    ("s", "", 3),
)  # an ending, what stands in its place, and the letters that must be left
_WHOLE: Final = ("ss", "us", "is")  # an s that is no ending
_SHORT: Final = 3
_KEPT_DOUBLE: Final = "lsz"


def content(text: str) -> list[str]:
    """The words of a text that say what it is about; of a very long one only those at its ends."""
    if len(text) > _EARLY + _LATE:
        text = f"{text[:_EARLY]} {text[-_LATE:]}"
    words = ends(split(text.replace("'s ", " ")))
    about = [word for word in words if word[0].isalnum() and word not in COMMON]
    if _ENGLISH.isdisjoint(about) or language(text, words) == "en":
        return about
    return [word for word in about if word not in _ENGLISH]


def within(text: str, wanted: Iterable[str]) -> list[str]:
    """Those of the wanted stems that a text has, in their order."""
    text = text.lower()
    if text.isascii():
        # All but the last letter of a stem stands in every word that has it: most are told apart by that alone.
        return [one for one in wanted if (begin := one[:-1] or one) in text and _stands(one, begin, text)]
    own = {stem(word) for word in split(text) if word not in COMMON}
    return [one for one in wanted if one in own]


def _stands(stemmed: str, begin: str, text: str) -> bool:
    """Whether a text in lower case has a word of this stem, which begins so."""
    at = text.find(begin)
    while at >= 0:
        if not text[at - 1 : at].isalnum():
            word = word_at(text, at)
            if stem(word) == stemmed and word not in COMMON:
                return True
        at = text.find(begin, at + 1)
    return False


@lru_cache(_REMEMBERED)
def stem(word: str) -> str:
    """A word without its English endings; another language's words are mostly left as they are."""
    if len(word) <= _SHORT:
        return word
    for ending, instead, least in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= least:
            if ending == "s" and word.endswith(_WHOLE):
                continue
            word = word[: -len(ending)] + instead
            break
    if len(word) > _SHORT and word[-1] == word[-2] and word[-1] not in _KEPT_DOUBLE:
        word = word[:-1]
    return word[:-1] if len(word) > _SHORT and word[-1] == "e" else word


def number(stemmed: str) -> int:
    """The number that a stem goes by in a sparse vector."""
    return crc32(stemmed.encode("utf-8", "surrogatepass"))


def weighed(words: Sequence[str]) -> dict[int, float]:
    """The stems of a text's words by number, with BM25's weight of each in a text."""
    counted = Counter(map(stem, words))
    flat = _SATURATION * (1 - _LENGTH + _LENGTH * len(words) / _USUAL)
    return {number(one): count * (_SATURATION + 1) / (count + flat) for one, count in counted.items()}


def asked(words: Iterable[str]) -> dict[int, float]:
    """The stems of a question, each once."""
    return {number(one): 1.0 for one in {stem(word) for word in words}}
