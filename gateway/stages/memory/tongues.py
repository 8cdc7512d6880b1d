"""How people speak of themselves, decide and ask: in English and in the other main languages.

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
