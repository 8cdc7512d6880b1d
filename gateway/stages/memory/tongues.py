"""How people speak of themselves, decide, ask and name facts: in English and in the other main languages.

What is said in a language that is not here is kept where its words for oneself are known, else not; to keep too little
is better than to keep what was no statement.
"""

from __future__ import annotations

import re
from typing import Final

_OWN: Final = (
    r"i|i'm|i've|i'd|i'll|im|my|mine|we|we're|we've|we'll|our|ours",
    r"ich|mein\w*|mich|mir|wir|unser\w*|uns",
    r"je|j['’]\w+|mon|ma|mes|moi|nous|notre|nos|m['’]appelle",
    (
        r"yo|mi|mis|me llamo|nosotr[oa]s|nuestr[oa]s?|soy|tengo|vivo|trabajo|prefiero|estoy|necesito|quiero|odio"
        r"|me gustan?|me encantan?|decidimos|somos|vivimos|usamos"
    ),
    r"mi[oa]|miei|mie|nostr[oaie]|sono|vivo|abito|lavoro|preferisco|mi chiamo|mi piac\w+|abbiamo|odio",
    r"(?-i:[Ee]u)|meus?|minhas?|nós|noss[oa]s?|sou|tenho|moro|trabalho|prefiro|me chamo|gosto|decidimos|odeio",
    r"(?-i:[Ii]k)|mijn|wij|onze|mij",
    r"mój|moja|moje|mam|mieszkam|pracuję|lubię|wolę|jestem|nazywam się|my|nasz\w*",
    r"я|мой|моя|моё|мое|мои|меня|мне|мы|наш\w*|нас",
    r"benim|bizim|adım|\w+(?:ıyorum|iyorum|uyorum|üyorum)",
)
OWN: Final = re.compile(
    rf"\b(?:{'|'.join(_OWN)})\b|[我咱]|(?:私|僕|俺|うち)(?:は|の|が|も|たち)|(?:^|\s)(?:나|저|내|제|우리)(?:는|은|도|가)?\s"
    r"|(?:أنا|عندي|اسمي|أعيش|أعمل|أفضل|نحن)|(?:मैं|मेरा|मेरी|मेरे|मुझे|हम|हमारा)",
    re.IGNORECASE,
)
DECIDED: Final = re.compile(
    r"\b(?:from now on|let's (?:go|use|stick|keep)|we(?:'ll| will) (?:go|use|stick)|remember (?:that|this)|"
    r"call me|always (?:answer|use|write|reply|call)|never (?:use|call|mention|write)|the (?:plan|decision) is|"
    r"ab jetzt|von nun an|merke? dir|nenn mich|antworte (?:mir )?(?:immer|nur)|"
    r"à partir de maintenant|désormais|appelle[- ]moi|appelez[- ]moi|réponds(?:-moi)? toujours|souviens-toi|"
    r"a partir de ahora|de ahora en adelante|llámame|recuerda que|responde siempre|"
    r"d'ora in poi|chiamami|ricorda(?:ti)? che|rispondi sempre|"
    r"a partir de agora|de agora em diante|me chame de|lembre-se|responda sempre|"
    r"vanaf nu|noem me|onthoud dat|antwoord altijd|od teraz|zapamiętaj|mów mi|"
    r"с этого момента|отныне|называй меня|запомни|отвечай всегда|всегда отвечай|bundan sonra|bana \w+ de)(?:\b|$)"
    r"|从现在起|从现在开始|請記住|请记住|叫我|これから(?:は)|覚えておいて|と呼んで|앞으로|기억해",
    re.IGNORECASE,
)
REQUEST: Final = re.compile(
    r"^\W*(?:(?:so|ok|okay|now|please|hey|hi|hello|thanks|and)\W+)*(?:can|could|would|will) (?:you|we|i)\b"
    r"|^\W*(?:please\W+)?(?:write|tell|give|show|make|explain|help|translate|summari[sz]e|fix|create|generate|list|find|"
    r"draft|rewrite|convert|describe|suggest|compare)\b"
    r"|\bi(?:'d| would)? (?:want|need|like) (?:you )?to (?:know|understand|ask|write|make|create|see)\b"
    r"|\bi(?:'d| would) like (?:you|a|an|some|the)\b|\bi (?:want|need) (?:you|a|an|some|the|help)\b"
    r"|\b(?:tell|give|show|help|send) me\b|\bi wonder\b|\bi have a question\b"
    # German
    r"|^\W*(?:bitte\W+)?(?:kannst|könntest|würdest|können|könnten) (?:du|sie|wir|ich)\b"
    r"|^\W*(?:bitte\W+)?(?:schreib|erklär|gib|zeig|hilf|übersetz|fass|erstell|nenn|sag|mach|vergleich|beschreib)\w* "
    r"(?:mir|uns|meine?n?|das|den|die|ein\w*|bitte|diesen?|dieses)\b"
    r"|\bich (?:möchte|will|brauche|hätte gern\w*) (?:ein|eine|einen|etwas|wissen|hilfe|dass du)\b|\bich frage mich\b"
    # French
    r"|^\W*(?:s'il te plaît\W+|s'il vous plaît\W+)?(?:peux-tu|pouvez-vous|pourrais-tu|pourriez-vous|tu peux)\b"
    r"|^\W*(?:écris|écrivez|explique|expliquez|donne|donnez|montre|montrez|aide|aidez|traduis|traduisez|résume|fais|"
    r"corrige|dis|dites)\b|\bje (?:voudrais|veux|souhaite|aimerais) (?:un|une|des|que tu|que vous|savoir|de l'aide)\b"
    r"|\bje me demande\b|\bj['’]ai (?:une question|besoin d['’](?:aide|un\b|une\b))"
    # Spanish, Portuguese, Italian
    r"|^\W*(?:por favor\W+|per favore\W+)?(?:puedes|podrías|puede|podría|você pode|pode|poderia|puoi|potresti|può)\b"
    r"|^\W*(?:por favor\W+|per favore\W+)?(?:escribe|explica|explícame|dame|dime|muéstrame|ayúdame|traduce|resume|haz|"
    r"escreva|explique|me dê|me diga|mostre|ajude|traduza|resuma|faça|scrivi|spiega|spiegami|dammi|dimmi|mostrami|"
    r"aiutami|traduci|riassumi|fammi)\b"
    r"|\b(?:quiero|quisiera|me gustaría|necesito) (?:un|una|saber|que me|ayuda)\b"
    r"|\b(?:quero|queria|gostaria de|preciso de) (?:um|uma|saber|que você|ajuda)\b"
    r"|\b(?:voglio|vorrei|ho bisogno di) (?:un|una|uno|sapere|che tu|aiuto)\b|\b(?:tengo una pregunta|ho una domanda)\b"
    # Dutch, Polish, Russian
    r"|^\W*(?:kun|kan|zou) (?:je|u|jij)\b"
    r"|^\W*(?:schrijf|leg|geef|vertel|help|vertaal|maak|laat) (?:me|mij|een|het|de)\b"
    r"|\bik (?:wil|zou graag) (?:een|weten|dat je)\b"
    r"|^\W*(?:czy (?:możesz|mógłbyś)|napisz|wyjaśnij|podaj|pokaż|pomóż|przetłumacz)\b"
    r"|^\W*(?:пожалуйста\W+)?(?:можешь|можете|напиши|напишите|объясни|дай|покажи|помоги|переведи|расскажи|сделай)\b"
    r"|\b(?:мне нужн[оаы]?|я хочу) (?:узнать|помощь|чтобы ты)\b"
    # Chinese, Japanese, Korean
    r"|^(?:请|請|帮我|幫我|给我|給我|你能|你可以|告诉我|告訴我|我想知道|我想问|我想請|我需要你|我要你)(?!记住|記住)"
    r"|(?:てください|て下さい|教えて|してくれ|して欲しい|してほしい)[。！]?$|(?:해\s?줘|해\s?주세요|알려\s?줘|써\s?줘)[.!]?$",
    re.IGNORECASE,
)
# Words of requests, of time and of every sentence, which say nothing of what is asked; `stems.COMMON` has more.
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
# The same where words are not told apart by spaces, or carry their particles.
UNSPACED_IDLE: Final = re.compile(
    r"什[么麼]|怎[么麼样樣]|哪[里裡儿兒个個]?|谁|誰|为什[么麼]|為什麼|多少|几|吗|嗎|呢|吧|请问?|請問?|告[诉訴]|今天|明天|昨天|[现現]在|知道"
    r"|可以|一下|你|您|名字"
    r"|何|ど[これのうんな]+|だれ|誰|いつ|なぜ|いくら|(?:です|ます)か?|でした|ました|ください|教えて|今日|明日|昨日|今|[のはがをにへもとで]"
    r"|\b(?:저|나|제|내|너|우리|당신)(?:는|은|가|의|도|를)?\b|\b(?:무엇|무슨|뭐|누구|누가|어디|언제|왜|어떻게|어떤|어느|얼마|몇)\w*"
    r"|\b(?:오늘|내일|어제|지금)\w*|(?:입니다|습니다|입니까|습니까|이에요|예요|있어요|있나요|인가요|나요|까요)\b"
    r"|(?<=[가-힣]{2})(?:에서|은|는|이|가|을|를|에|의|도|로|와|과)\b"
)
# A sentence with one of these says what nobody should hear again, however it says it.
SECRET: Final = re.compile(
    r"\b(?:pass(?:word|code|phrase|wd)|passwort|passwörter|kennwort|kennwörter|mots? de passe|contraseña|senha|"
    r"wachtwoord|hasł[oa]|парол|şifre|(?:api|secret|private|access|recovery|licen[cs]e)[ _-]?keys?\b|"
    r"(?:access|security|recovery|verification|unlock|door|alarm|secret|entry) code|pin[ -]?(?:code|number|nummer)|"
    r"(?-i:PIN)\b|(?:cvv|cvc|iban|ssn)\b|social security|sozialversicherungsnummer|"
    r"(?:credit card|debit card|passport|bank account|account) (?:number|no\b)|kreditkartennummer|kontonummer)"
    r"|\b(?:token|pin)\w*\s*(?:is|:|=|ist|lautet|est|es|è|é|-|—|to)\s*\S"
    r"|密[码碼]|口令|パスワード|暗証番号|비밀번호|암호"
    r"|\b(?:sk|pk|ghp|xox[bp]|AKIA|AIza)[-_A-Za-z0-9]{12,}|\b(?:\d[ -]?){13,19}\b|\b\d{3}-\d{2}-\d{4}\b|-----BEGIN",
    re.IGNORECASE,
)

_VALUE: Final = r"(?P<value>[^,.;!?\n。！？，]{2,80}?)"
_AND: Final = (
    "and|but|because|so|now|since|though|which|where|und|aber|weil|et|mais|parce|car|y|pero|porque|e|ma|perché|mas|en|maar|"
    "omdat|и|но"
)
_END: Final = rf"(?=\s*(?:[,.;!?\n。！？，]|\b(?:{_AND})\b|$))"
_NEAR: Final = "wife|husband|partner|son|daughter|dog|cat|boss|manager|company|project|team"
# Those near to somebody, and favourites, by the words of a language: the fact has the same slot in all of them.
_NEAR_ELSEWHERE: Final = {
    "wife": "Frau|femme|esposa|mujer|moglie|vrouw",
    "husband": "Mann|mari|esposo|marido|marito|man",
    "son": "Sohn|fils|hijo|figlio|filho|zoon",
    "daughter": "Tochter|fille|hija|figlia|filha|dochter",
    "dog": "Hund|chien|perro|cane|cachorro|hond",
    "cat": "Katze|chat|chatte|gato|gata|gatto|gatta|kat",
    "boss": "Chefin|Chef|patron|jefe|jefa|capo|chefe|baas",
}
_MY: Final = "mein|meine|mon|ma|mi|il mio|la mia|mio|mia|o meu|a minha|meu|minha|mijn"
_IS: Final = "heißt|ist|s'appelle|est|se llama|es|si chiama|è|se chama|é|heet|is"  # called, or that is what it is
# A slot, and how its fact is said; `{}` in a slot is what the group `of` says.
FACTS: Final = tuple(
    (slot, re.compile(pattern + _VALUE + _END, re.IGNORECASE))
    for slot, pattern in (
        ("name", r"\b(?:my name is|call me|i go by) "),
        ("name", r"\b(?:ich heiße|mein name ist|nenn mich|je m['’]appelle|mon nom est|appelle[- ]moi) "),
        ("name", r"\b(?:me llamo|mi nombre es|llámame|mi chiamo|il mio nome è|chiamami|me chamo|meu nome é) "),
        ("name", r"\b(?:ik heet|mijn naam is|noem me|nazywam się|mam na imię|меня зовут|моё имя|мое имя|benim adım) "),
        ("name", r"(?:我叫|我的名字是|私の名前は|僕の名前は)"),
        ("home", r"\bi(?:'m| am)? (?:now )?(?:live|living|reside|based|moved|have moved)(?: to)?(?: in| at| near)? "),
        ("home", r"\bich (?:wohne|lebe)(?: jetzt| nun| seit \S+)? (?:in|bei|auf|an) "),
        ("home", r"\b(?:j['’](?:habite|ai déménagé)|je (?:vis|habite))(?: maintenant)? (?:à|a|au|en|dans|près de) "),
        ("home", r"\b(?:vivo|resido|me mudé)(?: ahora)? (?:en|a) "),
        ("home", r"\b(?:abito|mi sono trasferit[oa])(?: ora)? (?:a|in) "),
        ("home", r"\b(?:moro|me mudei)(?: agora)? (?:em|para) "),
        ("home", r"\b(?:ik woon(?: nu)? in|mieszkam (?:teraz )?w|я (?:сейчас )?живу в) "),
        ("home", r"我(?:现在)?住在"),
        ("work", r"\bi (?:now )?work (?:as|at|for|in) "),
        ("work", r"\bich arbeite (?:jetzt )?(?:als|bei|für|in) "),
        ("work", r"\bje travaille (?:maintenant )?(?:comme|chez|pour|dans|à) "),
        ("work", r"\b(?:trabajo (?:ahora )?(?:como|en|para)|lavoro (?:ora )?(?:come|da|per|in|a)) "),
        ("work", r"\btrabalho (?:agora )?(?:como|na|no|em|para) "),
        ("work", r"\b(?:ik werk (?:nu )?(?:als|bij|voor|in)|pracuję (?:jako|w)|я работаю) "),
        ("job", r"\b(?:my job is|i(?:'m| am) (?:employed as|working as)) "),
        ("age", r"\bi(?:'m| am) (?=\d{1,3} years old)"),
        ("age", r"\b(?:ich bin|j['’]ai|tengo|ho|tenho) (?=\d{1,3} (?:jahre|ans|años|anni|anos)\b)"),
        ("birthday", r"\bmy birthday is(?: on)? "),
        ("birthday", (r"\b(?:mein geburtstag ist(?: am)?|mon anniversaire est(?: le)?|mi cumpleaños es(?: el)?"
         r"|il mio compleanno è(?: il)?|meu aniversário é(?: em)?|mijn verjaardag is(?: op)?) ")),
        ("language", r"\balways (?:answer|reply|write|respond)(?: to)?(?: me)? in "),
        ("language", (r"\b(?:antworte (?:mir )?(?:immer|nur) auf|réponds(?:-moi)? toujours en|responde siempre en"
         r"|rispondi(?:mi)? sempre in|responda sempre em|antwoord altijd in) ")),
        ("favourite {}", r"\bmy (?:favou?rite|preferred) (?P<of>\w+(?: \w+)?) (?:is|are) (?:now )?"),
        ("favourite {}", r"\bmeine? lieblings(?P<of>\w+) (?:ist|sind) (?:jetzt )?"),
        ("favourite {}", r"\bm(?:on|a|es) (?P<of>\w+) préférée?s? (?:est|sont) (?:maintenant )?"),
        ("favourite {}", r"\bmis? (?P<of>\w+) favorit[oa]s? (?:es|son) (?:ahora )?"),
        ("favourite {}", r"\b(?:il mio|la mia) (?P<of>\w+) preferit[oa] è (?:ora )?"),
        ("favourite {}", r"\b(?:o meu|a minha|meu|minha) (?P<of>\w+) (?:favorit[oa]|preferid[oa]) é (?:agora )?"),
        ("{}", rf"\bmy (?P<of>(?:{_NEAR})(?:'s name)?) is (?:called |named )?"),
        *((slot, rf"\b(?:{_MY}) (?:{words}) (?:{_IS}) ") for slot, words in _NEAR_ELSEWHERE.items()),
    )
)  # fmt: skip
