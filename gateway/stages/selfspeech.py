"""How a model talks about itself as some provider's model: names and phrases, in six languages.

Notation: words as they are written; `a | b`, `(...)`, `x?`, `x{m,n}`; `$x` stands for a macro; `<x>` for a kind of word.
A word with a capital is met only with that capital (Meta, Gemini), the others in any case. A phrase after `^` counts only at
the beginning of a clause, after `@` only where the speaker has spoken of itself in the sentence, after `%` only where it
is refusing something. In whatever a phrase matches, every name of a provider or a model becomes ours: phrases therefore
describe who speaks, and never reach over a name that belongs to somebody else.
"""

from typing import Final

# Words that make the sentence the speaker's own, that hand it to somebody else, and that refuse.
SPEAKER: Final = frozenset("i my me myself yo mi mis je j mon ma mes ich mein meine eu meu minha 我".split())
THIRD: Final = frozenset("it its they them he she him this that these those".split())
REFUSING: Final = frozenset("cannot can't unable not t won't".split())

# Words that hold clauses together, and so cannot stand where a phrase has room for any one word.
FUNCTION_WORDS: Final = frozenset(
    """i my me and or but not that which who whom whose of to for with in on at by from as is are was were be been has have had
    do does did different another separate other similar unlike like same can could will would a an the this these those it its it they them he she you your we our us""".split()
)

# The user asks for a voice that is not the model's own: then a name that people bear, too, is left to the story.
ROLE_PLAY: Final = (
    r"(?i)\b(write|story|poem|letter|role-?\s?play|pretend|act as|character|imagine|novel|scene|dialogue|screenplay"
    r"|introduce yourself as|escribe|cuento|écris|histoire|schreib|geschichte|escreva|história)\b|扮演|故事|写"
)

NAMES: Final = {
    # Companies and labs: whoever can have made, trained or own a model.
    "maker": """
        openai | open ai | open - ai | anthropic | anthropic ai | anthropic pbc
      | google ( ai | deepmind | research | brain | cloud | llc | inc )? | deepmind | alphabet
      | Meta ( ai | platforms | inc )? | facebook ( ai )? ( research )? | fair
      | mistral ( . )? ai | Mistral | xai | x ai | x . ai | deepseek ( - )? ( ai )? | deep seek
      | alibaba ( cloud | group | damo academy | ' s tongyi lab )? | tongyi lab | damo academy
      | moonshot ( ai )? | perplexity ( ai )? | cohere ( for ai | ai )? | 01 . ai | 01ai | 01 - ai
      | microsoft ( research | ai | azure | corporation | bing )? | lmsys ( org )? | lm - sys
      | large model systems organization ( <open> lmsys <close> )?
      | databricks | mosaicml | mosaic ml | stability ai | stability . ai | laion ( ai )? ( e . v . )? | zhipu ( ai )?
      | z . ai | baidu | tencent | bytedance | byte dance | inflection ( ai )? | Amazon ( web services | agi | bedrock )?
      | aws | nvidia | tii | technology innovation institute | bigscience | big science | hugging face | huggingface
      | eleutherai | eleuther ai | Stanford ( university )? | uc berkeley | Berkeley | bair | ai21 ( labs )? | ibm
      | Apple | reka ( ai )? | minimax | sambanova ( systems )? | together ( . )? ai | Snowflake | salesforce
      | adept ( ai )? | character ( . )? ai | nous research | groq | cerebras | huawei | iflytek | naver | yandex
      | sberbank | sber | aleph alpha | stepfun | baichuan ( ai | inc )? | sensetime | shanghai ai lab ( oratory )?
      | tsinghua ( university )? | thudm | allen institute for ai | ai2 | allenai | liquid ai | arcee ( ai )? | upstage
      | 阿里巴巴 ( 集团 | 云 )? | 阿里云 | 阿里 | 百度 | 腾讯 | 字节跳动 | 谷歌 | 微软 | 智谱 ( ai | 华章 )? | 深度求索
      | 月之暗面 ( 科技 )? | 零一万物 | 科大讯飞 | 讯飞 | 百川 ( 智能 )? | 商汤 ( 科技 )? | 清华 ( 大学 )? | 达摩院 | 脸书 | 亚马逊
    """,
    # Names that only a model bears.
    "model": """
        ( chatgpt | chat gpt | chat - gpt | gpt | gpt4 | gpt4o | gpt3 | gpt2 | gpt4all | instructgpt | davinci | text - davinci
      | o1 | o3 | o4 - mini | Gemini | gemma | palm2 | PaLM | LaMDA | Bard | llama | llama2 | llama3 | codellama | code llama
      | Mistral $version | mixtral | ministral | magistral | codestral | Le Chat | Grok | deepseek | qwen | qwen2
      | qwen3 | qwq | tongyi qianwen | 通义千问 | 通义 | Kimi | sonar $version | command r ( + )? | command - r ( + )? | Aya
      | Copilot | Bing ( chat | ai | copilot )? | Cortana | Phi - <num> | Phi <num> | vicuna | koala - <num> | alpaca - <num>
      | dolly $version | mpt | stablelm | open assistant | openassistant | open - assistant | oasst | chatglm | chatglm2
      | chatglm3 | glm | 智谱清言 | ernie bot | ernie $version | 文心一言 | 文心 | 混元 | 豆包 | 讯飞星火 | 星火 | hunyuan | doubao
      | nemotron | Falcon - <num> | Falcon <num> | Nova ( pro | lite | micro | premier ) | Titan text | Amazon ( Nova | Titan )
      | bloom - <num> | BLOOM | bloomz | yi - <num> | Yi - ( large | chat ) | hyperclova | yandexgpt | gigachat
      | baichuan <num> | baichuan2 | internlm | minicpm | jurassic - <num> | jamba | Granite $version | starcoder
      | zephyr - <num> | openchat | openhermes | wizardlm | orca - <num> | tulu <num> | olmo | dbrx | Hermes <num>
      | solar - <num> | Claude $version | Claude instant ) $version{0,4}
    """,
    # Names that people, places and animals bear as well.
    "person": "Claude | Ernie | Dolly | Nova | Pi | Phi | Yi | Titan | Falcon | Alpaca | Koala | Command | Sonar | Sydney | Hermes",
    "version": """
        <num> ( . <dec> )? | - <num> ( . <dec> )? | - ( turbo | mini | nano | <cap> ) | v <num> | - v <num> ( . <dec> )?
      | pro | ultra | flash | nano | advanced | opus | sonnet | haiku | instant | large | medium | small | nemo | instruct
      | turbo | mini | preview | chat | plus | max | thinking | online | 4o | o | - 4o | r1 | v2 | v3 | v4
      | - ( pro | large | small | medium | max | plus | chat | instruct | r1 | v2 | v3 | coder | o | 4o | flash | preview )
    """,
}

# Kinds of words, met as <kind>. Those that a word gets from its form are at the top; see `symbol` in sanitize.py.
CLASSES: Final = {
    "stop": "<end> . ! ? ; :",
    "soft": """just simply also actually indeed currently basically really still only now in fact of course essentially
        technically proudly officially specifically originally initially jointly first fully entirely exclusively
        primarily recently already likewise certainly well sure yes no""",
    "maker-verb": """developed created made built trained designed programmed engineered produced powered provided owned
        operated tuned finetuned pretrained released maintained hosted launched invented crafted deployed run constructed
        conceived supported published coded configured brought offered distributed tailored optimized founded trained""",
    "fr-soft": "un en fait actuellement simplement tout aussi donc bien en réalité effectivement juste",
    "fr-made": """développé développée créé créée conçu conçue entraîné entraînée formé formée fabriqué fabriquée
        programmé programmée propulsé propulsée construit construite alimenté alimentée mis mise au point fourni élaboré
        élaborée réalisé""",
    "es-soft": "un realidad en simplemente también solo sólo actualmente entonces de hecho yo",
    "es-made": """desarrollado desarrollada creado creada entrenado entrenada diseñado diseñada hecho hecha construido
        construida programado programada fabricado impulsado impulsada ofrecido proporcionado""",
    "es-active": "creó entrenó desarrolló diseñó programó construyó hizo crearon entrenaron desarrollaron diseñaron",
    "pt-soft": "na verdade apenas simplesmente também só atualmente então de fato eu",
    "pt-made": """desenvolvido desenvolvida criado criada treinado treinada projetado projetada feito feita construído
        construída programado programada concebido concebida alimentado fornecido""",
    "pt-active": "criou treinou desenvolveu projetou programou construiu fez criaram treinaram desenvolveram projetaram",
    "de-soft": "auch nur einfach eigentlich tatsächlich übrigens natürlich selbst derzeit ja also",
    "de-made": """entwickelt entwickeltes entwickelter entwickelte erstellt erstelltes erstellter erstellte trainiert
        trainiertes trainierter trainierte geschaffen geschaffenes geschaffener geschaffene gebaut gebautes gebauter
        programmiert programmiertes programmierter entworfen entworfenes entworfener erschaffen kreiert konzipiert
        angeboten angebotenes bereitgestellt bereitgestelltes hergestellt gemacht erschaffenes stammendes""",
}

MACROS: Final = NAMES | {
    "any": "$model | $person | $maker | $maker ( ' s )? ( $model | $person )",
    # What may follow a name that ends the statement: nobody's surname, nobody's compound.
    "after": "<stop> | , | <open> | <close> | <dash> | and | or | but | as | from | by | with | here | too | a | an | your | for",
    "adj": """
        ( large | small | powerful | advanced | helpful | friendly | virtual | conversational | text | - | based
      | multimodal | generative | pre | trained | pretrained | state | of | the | art | open | source | cutting | edge
      | new | specific | particular | digital | smart | computer | software | harmless | honest | and | , | intelligent
      | sophisticated | autoregressive | transformer | deep | learning | machine | neural | big | modern | own | latest
      | humble | mere | simple | artificial | intelligence | natural | processing | language | ai | chat | popular
      | fine | tuned | customized | custom | purpose | general | foundation | foundational | frontier | next | generation | kind | type | form | sort ){0,6}
    """,
    "a": "( ( a | an | the | your | one of the | another ) <word>? | just | both )? $adj",
    # What a speaker can only be when it is a machine, and what it can be besides.
    "mind": """
        ( ai | a . i . | artificial intelligence | language model | llm | chatbot | chatbots | chat bot | assistant
      | language models | ai models | ai assistants | llms | ais )
        ( language | chat | model | assistant | system | program | chatbot | agent | tool | bot | companion | models
      | systems | assistants ){0,3}
    """,
    "thing": "$mind | model | models | bot | program | system | product | creation | tool | neural network | machine"
    " | technology | software | entity | agent | service",
    "made": "( fine - | pre - )? <maker-verb> ( ( , | and | , and | & | / | or ) ( fine - | pre - )? <maker-verb> ){0,3}",
    "by": "( to you | to life | to <fill>{1,5} )? <word>? ( by | under )",
    "team": """
        ( ( the | a | an | some | our )? <word>? ( team | teams | of | researchers | engineers | people | folks | company
      | companies | scientists | developers | experts | organization | organisation | lab | labs | startup | firm | minds
      | group | <word> | ai | research | same | tech | giant | talented | good | great | french | chinese | american
      | brilliant | artificial | intelligence | and | safety | technology | large | - | based ){0,7}
        ( at | from | of | in | called | named | known as | , | behind )? ( the )? ( company | ai | startup | team )? )?
    """,
    "whose": "$made ( $by $team | <word>? ( at | from ) ( the )? ) $maker ( ( , | and | & | , and | in <word> with | or ) $maker )? $tail?",
    "made-by": "$made $by $team $maker",
    "tail": "( , )? ( and )? ( $base $poss $adj $model | ( called | named | known as ) ( $model | $person ) )",
    "arch": "architecture | model | models | technology | series | family | language model",
    "named": "( <cap> | ' | - | & ){1,4}",  # a maker that no list knows
    "iam": "( i am | i ' m | im | i remain )",
    "iwas": "( i am | i ' m | i was | i were | i ' ve been | i have been | i ' d been | i got | i ' m being )",
    "which": "( , )? ( that | which | who )? ( was | is | were | are | has been | ' s | i was | i am )?",
    "base": """
        ( based | built | running | powered | fine - tuned | finetuned | derived | hosted | trained | modeled | modelled
      | driven | backed | built upon | adapted | distilled | constructed ) <word>? ( on | upon | by | from | with | using | off )
        ( top of )?
    """,
    "poss": "( the | a | an | one of )? ( $maker ' s )?",
    "kin": """
        ( version | variant | instance | iteration | member | part | product | creation | release | implementation
      | derivative | incarnation | descendant | edition | build | offshoot | successor | brainchild )
    """,
    "policy": "( content | usage | use | case | safety | ai | policy | policies | guidelines | rules | terms | of | service"
    " | ethical | ethics | standards | and | principles | moderation | training | values | restrictions | constitution ){1,5}",
    "role": "( <word>? $adj ) ( assistant | companion | helper | guide | partner | chatbot | bot | model | ai )",
    # A person's name is a model's only if the rest of the clause says so, or says nothing at all.
    "says": """
        <stop> | <close> | , $a $mind | , $made | , ( from | by ) $maker | <dash> ( a | an | your ) | ( by | from ) $maker
      | ( , )? and i ( ' m | am | was ) ( a | an | your | here | made | designed | trained | created | developed | built
      | happy | glad | always | ready ) | ( , )? ( how | here to | ready to | happy to | nice to | your | created | made )
      | <open> | a ( large | language ) | , (so | but ) i | , (not | at your service )
    """,
    "self": """
        ( the )? ( $model ( $after | $thing | $made ) | $model ( ( , | <dash> | <open> )? $a $thing? $which ( $whose | ( from | by | at | of ) ( the )? $maker ) | , ( from | by ) $maker | ( from | by ) $maker | , $maker ' s $adj $thing )
      | $person $says | $person ( , | <dash> | <open> )? $a $thing? $which $whose | $maker $mind | $maker ( , | <dash> ) ( a | an | the | your ) $adj $mind )
    """,
    "who": "$a $thing",
    "fr-adj": "<word>? ( grand | un | une | virtuel | virtuelle | intelligent | <word> | de | langage | large | puissant ){0,3}",
    "fr-mind": """
        ( ia | intelligence artificielle | modèle | assistant | assistante | chatbot | agent | programme | robot | llm | système
      | grand modèle | outil )
        ( de | d | ' | langage | ia | linguistique | conversationnel | conversationnelle | virtuel | virtuelle | intelligence
      | artificielle | langue | informatique | basé | sur | l | intelligente ){0,6}
    """,
    "fr-made": "<fr-made> ( ( et | , ) <fr-made> ){0,3}",
    "fr-by": "( par | chez )",
    "fr-team": "( l | ' | la | les | une | un | d | société | entreprise | équipe | équipes | chercheurs | ingénieurs | de | chez | des | start | - | up | <word> ){0,6}",
    "fr-poss": "( le | la | l ' | les | une | un )? ( modèle | technologie | architecture | version )? ( de | d ' )?",
    "fr-after": "<stop> | , | <open> | <close> | <dash> | et | un | une | le | votre | ton | l | de | d | développé | créé | conçu | entraîné | par | version",
    "fr-says": "<stop> | <close> | , ( un | une | l ' | le | votre | ton )? $fr-adj $fr-mind | , <fr-made> | <dash> | ( , )? et je suis ( là | ici | un | une ) | ( , )? ( comment | ravi | en quoi | enchanté ) | de $maker | <fr-made>",
    "es-adj": "<word>? ( gran | de | lenguaje | <word> ){0,3}",
    "es-mind": """
        ( ia | inteligencia artificial | modelo | asistente | chatbot | agente | programa | robot | llm | sistema | herramienta )
        ( de | lenguaje | ia | lingüístico | conversacional | virtual | inteligencia | artificial | idioma | informático
      | grande | gran | escala | a | entrenado | basado | en | útil | inteligente ){0,6}
    """,
    "es-made": "<es-made> ( ( y | , ) <es-made> ){0,3}",
    "es-by": "( por | en )",
    "es-team": "( la | el | los | las | un | una | empresa | equipo | compañía | investigadores | ingenieros | de | en | <word> ){0,6}",
    "es-poss": "( el | la | los | un | una )? ( modelo | tecnología | arquitectura | versión )? ( de )? ( lenguaje )? ( de )?",
    "es-after": "<stop> | , | <open> | <close> | <dash> | y | un | una | el | tu | su | de | creado | desarrollado | entrenado | versión",
    "es-says": "<stop> | <close> | , ( un | una | el | la | tu | su )? $es-adj $es-mind | , <es-made> | <dash> | ( , )? y ( estoy | soy ) ( aquí | un | una ) | ( , )? ( cómo | en qué | encantado ) | de $maker | <es-made>",
    "pt-adj": "<word>? ( grande | de | linguagem | <word> ){0,3}",
    "pt-mind": """
        ( ia | inteligência artificial | modelo | assistente | chatbot | agente | programa | robô | llm | sistema | ferramenta )
        ( de | linguagem | ia | linguístico | conversacional | virtual | inteligência | artificial | grande | escala | em
      | larga | baseado | treinado | útil | inteligente ){0,6}
    """,
    "pt-made": "<pt-made> ( ( e | , ) <pt-made> ){0,3}",
    "pt-by": "( por | pela | pelo | na | no )",
    "pt-team": "( a | o | os | as | uma | um | empresa | equipe | equipa | pesquisadores | engenheiros | da | do | de | na | <word> ){0,6}",
    "pt-poss": "( o | a | os | um | uma )? ( modelo | tecnologia | arquitetura | versão )? ( de | do | da )? ( linguagem )? ( da | do | de )?",
    "pt-after": "<stop> | , | <open> | <close> | <dash> | e | um | uma | o | a | seu | sua | da | do | de | criado | desenvolvido | treinado | versão",
    "pt-says": "<stop> | <close> | , ( um | uma | o | a | seu | sua )? $pt-adj $pt-mind | , <pt-made> | <dash> | ( , )? e ( estou | sou ) ( aqui | um | uma ) | ( , )? ( como posso | em que | prazer ) | ( da | do ) $maker | <pt-made>",
    "de-adj": "<word>? ( großes | grosses | großer | hilfreicher | künstliche | künstlicher | <word> | fortschrittliches ){0,2}",
    "de-mind": """
        ( ki | ki - <cap> | künstliche intelligenz | sprachmodell | modell | chatbot | assistent | assistentin | ai | llm
      | programm | bot | system | language model | ki - sprachmodell | ki - modell | ki - assistent | ki - assistentin | ki - system
      | ki - chatbot | sprachassistent | computerprogramm | textmodell )
        ( - | sprachmodell | modell | assistent | chatbot | system | bot ){0,3}
    """,
    "de-made": "<de-made> ( ( und | , ) <de-made> ){0,3}",
    "de-team": "( der | dem | den | einem | einer | firma | team | forschern | unternehmen | entwicklern | ingenieuren | von | bei | <word> ){0,5}",
    "de-after": "<stop> | , | <open> | <close> | <dash> | und | ein | eine | das | der | dein | ihr | von | entwickelt",
    "de-says": "<stop> | <close> | , ( ein | eine | der | die | das | dein | deine | ihr )? $de-adj $de-mind | , ( entwickelt | von ) | <dash> | ( , )? und ( bin | ich bin | stehe | helfe ) | ( , )? ( wie kann | womit ) | von $maker",
    "de-spoken": "( , )? ( bin | habe | kann | kenne | verfüge | besitze | möchte | darf | werde | wurde | muss | ich | weiß | <word> ich | <stop> )",
    "zh-soft": "( 其 实 | 只 | 不 过 | 就 | 的 确 | 确 实 | 本 身 | 也 | 当 然 | 叫 做 | 们 | 都 | 目 前 | , | 是 一 个 )?",
    "zh-one": "( 一 ( 个 | 款 | 种 | 名 | 位 ) | 个 )?",
    "zh-many": "( 公 司 | 团 队 | 旗 下 )? ( 所 | 自 主 | 独 立 | 专 门 | 精 心 | 最 新 | 联 合 )? ( 研 究 )?",
    "zh-made": "( 开 发 | 训 练 | 创 建 | 创 造 | 研 发 | 打 造 | 设 计 | 制 作 | 推 出 | 提 供 | 构 建 | 研 制 | 发 布 | 制 造 | 创 立 | 开 放 | 支 持 ) ( ( 和 | 并 | 与 | 、 | , ) ( 训 练 | 开 发 | 维 护 | 设 计 | 推 出 ) )?",
    "zh-after": "<stop> | , | <open> | <close> | <dash> | 一 | 由 | 的 | 是 | 你 | 您 | 很 | 和 | 大 | 模 | 助 | 语 | 这 | 版 | ai | 人 工",
    "spoken": """
        ( ( , )? ( to <word>? ( <word> | , | and | be | - | not ){0,9} )? ( ( , | <dash> ) ( <word> | it ' s | it is | there | to | that | like | unlike | and | of | not | in | as | with ){0,5} )?
        ( i | my | i ' m | me | our conversation ) | , it ( ' s | is ) <word>? ( important | crucial | essential | worth | necessary
      | my | not | impossible | difficult | vital | hard | against ) )
    """,
}

ENGLISH: Final = """
    $iam <soft>{0,2} ( called | named | known as | referred to as )? $self
    $iam <soft>{0,2} ( ( <cap> | assistant ) , )? $who $which ( also )? $whose
    $iam <soft>{0,2} $a $mind $which $made by ( the )? $named <stop>
    $iam <soft>{0,2} $a $mind ( from | by | at | of ) $team ( $maker )
    $iam <soft>{0,2} $who ( called | named | known as | <open> | , <soft>? | , <soft> $who ( called | named )? ) ( $model ( , $made by $maker )? | $person $says )
    $iam <soft>{0,2} $who $which ( also )? $base $poss $adj $model
    $iam <soft>{0,2} ( ( a | an | the | one of )? $maker ( ' s | - )? <maker-verb>? $adj $thing | ( a | an | the | one of )? $model ( - )? <maker-verb>? ( based )? $adj $thing ) $after
    $iam <soft>{0,2} ( a | an | the | one ) <word>? $adj $kin ( of | in ) ( the )? $poss $adj $any
    $iam <soft>{0,2} ( part | one ) of ( the )? ( $any ( ' s )? ) $adj ( family | series | line | lineup | models | model | suite )
    $iwas <soft>{0,2} ( both | all )? $made-by ( <on> | $tail | ' s ( ai | research | deepmind | brain )? ( team | teams | researchers | engineers | scientists | lab | labs | developers ) )
    $iwas <soft>{0,2} $made ( at | in ) $maker <stop>
    $iwas <soft>{0,2} ( named | called | given the name | christened | dubbed ) ( $model | $person ( by $maker | by | $says ) )
    $iwas <soft>{0,2} $base $poss $adj ( $model | $maker ( ' s )? ( technology | models | model | architecture | <word> models ) )
    $iam <soft>{0,2} ( powered | driven | backed ) by ( $maker ) ( <stop> | , )
    ( i was | i am | i ' m ) <soft>{0,2} $base the same <word>? ( <word> | ai | language | model | technology | architecture ){1,5} ( as | that powers | behind | used by | used in | underlying | which powers ) $any
    i ( use | utilize | share | employ ) the same <word>? ( underlying | foundational | base | core ) ( <word> | ai | language | model | technology | architecture ){1,3} ( as | with ) $any
    i <soft>? ( run | operate | am running | ' m running | work ) ( on | off ) ( top of )? $poss $adj $model
    i ( belong to | come from | am part of | ' m part of ) ( the )? $any ( ' s )? $adj ( family | series | line | lineup | models | suite | <stop> )
    i ( got | have | was given | bear | carry | go by | respond to | answer to | use | took ) the name ( of )? ( $any )
    i ( go by | identify as | ' m known as | am known as | ' m called | am called | was introduced as ) ( $model | $person $says )
    i , ( $model | $person ) ,
    i ( use | utilize | employ ) $poss $adj $model architecture
    $iwas <soft>{0,2} trained ( on | using | with ) <word>{0,4} ( data | text | dataset | datasets | content | material ) ( <word> by | from | by ) $team $maker
    $iam <soft>{0,2} ( the | a ) ( product | result | outcome | fruit | creation ) of <fill>{0,5} ( by | at | from ) $maker
    i ( must | have to | need to | ' m required to | am required to | ' m designed to | am designed to )? ( follow | comply with | adhere to | respect | abide by | bound by | am bound by | ' m bound by ) $maker ' s $policy
    $maker is ( the | a | an | my ) ( <word> | ai | research | company | organization | team | lab | startup | one ){0,4} ( ( that | who | which | behind | responsible for ) ( has )? <maker-verb>? ( me | my <word> ) | creator | developer | maker | creators | developers | parent company )
    ( $model | $person ) is ( my name | what i ' m called | the name i | what <fill> call me )
    i <open> ( $model | $person ) <close>
    mich ( $model | $person ) nennen
    ^ ( trained | developed | created | built | designed ) by $team $maker , i
    like ( all | other | many | most ) $a $thing $which $whose $spoken
    @ but ( rather | instead )? by $maker
    we ( are | ' re | were ) ( both | all )? ( <word> )? $thing? $which $made $by ( the same company , )? $team $maker
    my ( full | official | real | given | actual )? name ( is | ' s ) <soft>? $self
    ( call | called | named | dubbed ) me ( as )? <soft>? ( $model ( or <soft>? $model )? | $person $says )
    refer to me ( as )? <soft>? ( $model ( or <soft>? $model )? | $person ( <stop> | , ) | $maker )
    call me ( as )? <soft>? <word> or <soft>? $model
    my ( <soft> | <word> )? ( creator | creators | developer | developers | maker | makers | trainers | builders | designers | parent company | programmers ) ( ( is | are | , | <dash> | <open> | : | includes | was | were ) $team $maker | ( at | from | in | over at ) ( $maker | $named ) )
    my ( training | development | creation | design ) ( was | is | , | has been )? ( $made | done | overseen | conducted | carried out | performed )? ( by | at ) $team $maker
    my ( ( underlying | base | core | language | ai | foundational | large ){1,3} ( model | models | technology | engine | system ) | ( <word> | underlying )? architecture | training data | training | programming | ( knowledge )? ( cutoff | cut - off ) ( date )? | knowledge base ) ( is | are | was | were | comes | come | , )? <soft>? ( as )? ( ( ( set | determined | defined | provided | established | given | specified | curated | supplied | collected | prepared | generated | $made | based ) ( on | by | from ) | from | by ) $team )? $poss $adj ( $model | $maker )
    my ( responses | answers | replies | outputs | abilities | capabilities | knowledge | words ) ( are | is | come | comes ) <soft>? ( generated | powered | produced | driven | based | shaped | made )? ( by | on | from | using )? $poss $adj ( $model | $maker )
    ( $maker | $maker ' s ( team | researchers | engineers | developers ) ) ( has | had | have | ' s )? <soft>? ( calls | called | trained | created | developed | built | designed | programmed | engineered | fine - tuned | taught | named | configured ) ( and <maker-verb> )? me ( $model | $person )?
    $maker made me ( <stop> | to be | who | what | this | as | with | , )
    $maker ( used | uses | chose | gave | has used ) ( to ( train | create | build | make ) me | me ( the name | my ) )
    $maker ( trains | updates | retrains | maintains | operates | owns | develops | runs | designs ) me
    $maker ( ' s )? ( , | <open> | <dash> )? ( the | an | a | which | who | that | my ) ( <word> | ai | research | company | organization | team | lab | and | safety | startup | same ){0,5} ( that | who | which | behind | has | of )? ( has | have | also )? ( ( <maker-verb> | trains | runs | operates | powers | made ) me | creator | creators | maker | developer | developers | parent company | me )
    ( company | organization | team | people ) ( that | who | which | behind ) ( has | have )? ( <maker-verb> )? me ( , | is | are | at | <dash> | : | <open> | was | from ) $team $maker
    $maker ' s ( $policy ) ( <word> )? ( prevent | prohibit | prevents | prohibits | do not | don ' t | does not | doesn ' t | forbid | forbids | restrict | restricts | require | requires | limit | stop | bar | won ' t | keep ) ( allow | permit | let | enable )? me
    $maker ' s $policy , i ( can | cannot | am | ' m | must | won | do | don | have | should )
    % $maker ' s ( $policy )
    $maker ' s ( <word> | internal | training | data ){0,5} ( that | which | who ) ( was | were )? ( used to )? ( <maker-verb> | train | create | build ) me
    ( as | being ) $who $which $whose $spoken
    ( as | being ) ( a | an )? ( large )? ( language model | ai language model | ai | ai assistant | ai model | ai chatbot ) $which $made by ( the )? $named , ( i | my )
    ( as | being ) ( an | a | one of )? ( $maker | $model ) ( ' s | - )? <maker-verb>? $adj $thing $spoken
    ( as | being ) $who $which $base $poss $adj $any ( $arch )? $spoken
    ( as | being ) a ( product | creation | model | service ) ( of | by | from ) $maker $spoken
    ( as | being ) ( a | an ) <word>? $adj $mind ( from | by | at | <open> | , | called | named | based on ) ( $maker | $model ) $spoken
    ( as | being ) ( a | an ) <word>? $adj $mind <open> ( $model )
    ( as | being ) ( a | an ) <word>? $adj ( $kin ) ( of | from ) $poss $any $spoken
    ( as | being ) ( $model | $person ) , ( i | my | i ' m )
    @ as $who $which $whose ( <word> | <stop> | and | but | with | in | to )
    ^ ( $model | Claude ) ( here | speaking ) ( <stop> | , | <dash> )
    this is ( me , )? ( $model | Claude ) ( speaking | here ( <stop> | , | to ) | , your )
    you ( ' re | are | ' ve been | were ) ( now | currently | actually | just )? ( talking | speaking | chatting | interacting | conversing | communicating ) ( to | with ) ( ( $model | $person $says ) | $who ( called | named | , | $which $whose ) ( $model )? )
    here at ( openai | anthropic | google deepmind | deepmind | xai | mistral ai | deepseek | Meta ai ) , i
    your ( $role ) , ( $model | $person ( <stop> | , ) )
"""

FRENCH: Final = """
    je suis <fr-soft>{0,2} ( $model ( $fr-after | $fr-mind ) | $person $fr-says | ( $model | $person ) ( , | <dash> ) ( un | une | l ' | le | votre )? $fr-adj $fr-mind? ( , )? ( $fr-made $fr-by $fr-team | de | d ' | de chez ) $maker )
    je suis <fr-soft>{0,2} ( un | une | le | l ' | votre | ton )? $fr-adj $fr-mind $fr-adj ( , )? ( qui a été | et j ' ai été | ayant été )? ( $fr-made $fr-by $fr-team $maker | de $maker | d ' $maker | de chez $maker | basé sur $fr-poss $model | basée sur $fr-poss $model | nommé ( $model | $person ) | appelé ( $model | $person ) | , $model )
    je suis <fr-soft>{0,2} ( $fr-made $fr-by $fr-team $maker | basé sur $fr-poss $any | basée sur $fr-poss $any )
    ( j ' ai été | je fus | j ' ai d ' abord été ) <fr-soft>{0,2} $fr-made ( et $fr-made )? $fr-by $fr-team $maker
    ( je m ' appelle | mon nom est | appelez - moi | appelle - moi | m ' appeler | je me nomme ) ( $model $fr-after | $person $fr-says )
    en tant qu ' ( un | une )? $fr-adj $fr-mind $fr-adj ( , )? $fr-made $fr-by $fr-team $maker ( , )? ( je | j | il m | il est <word> | mes | mon | ma | <stop> )
    en tant que $fr-adj ( $fr-mind $fr-adj ( , )? ( $fr-made $fr-by $fr-team | de | d ' ) $maker ( , )? | ( $model | $person ) , ) ( je | j | il m | il est <word> | mes | mon | ma | <stop> )
    ( mes | mon ) ( créateurs | concepteurs | développeurs | créateur | développeur | concepteur | société mère ) ( ( chez | de | à | d ' | , | est | sont ) ( les | l )? ( <word> ){0,3} ( chez | de | d ' )? ( $maker ) )
    $maker ( , la société qui )? m ' a $fr-made
    mon ( entraînement | développement ) ( <word> ){0,2} par $maker
    mon ( modèle ( de langage | sous - jacent | de base ) | architecture ) ( <word> ){0,2} ( est | sur ) $fr-poss $any
    ( vous parlez | tu parles | vous discutez | tu discutes ) ( à | avec ) ( $model | $person $fr-says | $fr-adj un $fr-adj $fr-mind $fr-adj $fr-made par $maker )
    ^ ici ( $model | $person ) ( <stop> | , )
"""

SPANISH: Final = """
    soy <es-soft>{0,2} ( $model $es-after | $person $es-says | ( $model | $person ) ( , | <dash> ) ( un | una | el | la | tu | su )? $es-adj $es-mind? $es-adj ( , )? ( $es-made $es-by $es-team | de ) $maker )
    soy <es-soft>{0,2} ( un | una | el | la | tu | su )? $es-adj $es-mind $es-adj ( , )? ( que fue | que ha sido )? ( $es-made $es-by $es-team $maker | de $maker | llamado ( $model | $person ) | basado en $es-poss $any | , $model )
    ( fui | he sido | estoy | soy | me encuentro ) <es-soft>{0,2} ( $es-made $es-by $es-team $maker | basado en $es-poss $any | basada en $es-poss $any )
    ( me llamo | mi nombre es | llamarme | llámame | me llaman | puedes decirme ) <es-soft>{0,2} ( $model $es-after | $person $es-says )
    como ( un | una )? $es-adj $es-mind $es-adj ( , )? ( $es-made $es-by $es-team $maker | de $maker ) ( , | <stop> ) ( no | yo | mi | mis | puedo | tengo | estoy | soy | me | carezco | debo | fui | he | intento | trato | mi | es <word> | <stop> )
    como ( $model | $person ) , ( no | yo | mi | mis | puedo | tengo | estoy | soy | me | debo | he )
    ( mis | mi ) ( creadores | desarrolladores | creador | desarrollador | creadora | desarrolladora | empresa matriz | programadores ) ( ( en | de | , | es | son ) ( los | la | el )? ( <word> ){0,3} ( de | en )? ( $maker ) )
    $maker ( , la empresa que )? me ( ha )? ( <es-active> | $es-made )
    mi ( entrenamiento | desarrollo ) ( <word> ){0,2} por $maker
    mi ( modelo ( de lenguaje | base | subyacente ) | arquitectura ) ( <word> ){0,2} ( es | en ) $es-poss $any
    ( estás | está | estas ) ( hablando | chateando | conversando | interactuando ) con ( $model | $person $es-says | un $es-adj $es-mind $es-adj $es-made por $maker )
"""

PORTUGUESE: Final = """
    sou <pt-soft>{0,2} ( o | a )? ( $model $pt-after | $person $pt-says | ( $model | $person ) ( , | <dash> ) ( um | uma | o | a | seu | sua )? $pt-adj $pt-mind? $pt-adj ( , )? ( $pt-made $pt-by $pt-team | da | do | de ) $maker )
    sou <pt-soft>{0,2} ( um | uma | o | a | seu | sua )? $pt-adj $pt-mind $pt-adj ( , )? ( que foi )? ( $pt-made $pt-by $pt-team $maker | ( da | do | de ) $maker | chamado ( $model | $person ) | baseado ( em | no ) $pt-poss $any | , ( o )? $model )
    ( fui | estou | sou | tenho sido ) <pt-soft>{0,2} ( $pt-made $pt-by $pt-team $maker | ( baseado | baseada ) ( em | no | na ) $pt-poss $any )
    ( me chamo | chamo - me | meu nome é | me chamar de | me chame de | pode me chamar de | chamam - me ) ( o )? <pt-soft>{0,2} ( $model $pt-after | $person $pt-says )
    como ( um | uma )? $pt-adj $pt-mind $pt-adj ( , )? ( $pt-made $pt-by $pt-team $maker | ( da | do | de ) $maker ) ( , | <stop> ) ( não | eu | meu | minha | posso | tenho | estou | sou | fui | devo | meus | é <word> | <stop> )
    como ( o )? ( $model | $person ) , ( não | eu | meu | minha | posso | tenho | estou | sou | fui | devo )
    ( meus | meu | minha | minhas ) ( criadores | desenvolvedores | criador | desenvolvedor | criadora | desenvolvedora | empresa mãe | programadores ) ( ( na | da | do | no | de | em | , | é | são ) ( os | a | o )? ( <word> ){0,3} ( da | do | na )? ( $maker ) )
    $maker ( , a empresa que )? me ( <pt-active> )
    meu ( treinamento | treino | desenvolvimento ) ( <word> ){0,2} ( por | pela | pelo ) $maker
    meu modelo ( de linguagem | base | subjacente ) ( <word> ){0,2} ( é | em ) $pt-poss $any
    ( você está | estás | está ) ( falando | conversando | a falar | interagindo ) com ( o )? ( $model | $person $pt-says | um $pt-adj $pt-mind $pt-adj $pt-made $pt-by $maker )
"""

GERMAN: Final = """
    ( ich bin | bin ich ) <de-soft>{0,2} ( $model $de-after | $person $de-says | ( $model | $person ) ( , | <dash> ) ( ein | eine | der | das | dein | ihr )? $de-adj $de-mind? ( , )? ( das | der | die )? ( von $de-team $maker $de-made | von $maker ) )
    ( ich bin | bin ich ) <de-soft>{0,2} ( ein | eine | das | die | der | dein | ihr )? $de-adj ( von | durch | bei ) $de-team $maker ( <word>? $de-made ) $de-adj $de-mind
    ( ich bin | bin ich ) <de-soft>{0,2} ( ein | eine | das | die | der | dein | ihr )? $de-adj $de-mind ( , )? ( das | der | die | welches )? ( $de-made? ( von | durch | bei | aus dem hause ) $de-team $maker | namens ( $model | $person ) | auf <word> von $any | , $model )
    ich bin <de-soft>{0,2} ( ein | eine | das )? ( $maker | $model ) - $de-mind
    ( ich wurde | wurde ich | ich bin | ich worden | ich werde | ich ) <de-soft>{0,2} ( von | durch | bei ) $de-team $maker <word>? $de-made
    ( ich heiße | ich heisse | mein name ist | mein name lautet | nenn mich | nennen sie mich | man nennt mich ) <de-soft>{0,2} ( $model $de-after | $person $de-says )
    als ( ein | eine )? $de-adj ( von | durch | bei ) $de-team $maker ( <word>? $de-made ) $de-adj $de-mind $de-spoken
    als ( ein | eine )? $de-adj $de-mind ( , )? ( das | der | die )? ( von | durch | bei ) $de-team $maker ( <word>? $de-made )? ( wurde | worden ist )? $de-spoken
    als ( $model | $person | ( $maker | $model ) - $de-mind ) $de-spoken
    ( meine | mein | meinen | meinem ) ( entwickler | schöpfer | ersteller | entwicklern | schöpfern | entwicklerin | mutterkonzern | erfinder | programmierer ) ( bei | von | , | ist | sind | aus ) ( den | dem | die )? <word>{0,3} ( bei | von )? $maker
    $maker ( hat )? mich ( $de-made | <word> $de-made )
    ( ich basiere | basiere ich ) <word>? auf <word>{0,2} $any
    mein ( training | wissen ) <word>{0,3} ( von | durch ) $maker
    mein ( sprachmodell | basismodell ) <word>{0,3} ( von | auf | ist ) $any
    ( du sprichst | sie sprechen | du redest | du chattest | sie chatten ) <word>? mit ( $model | $person $de-says | einem ( von $maker $de-made )? $de-mind ( von $maker )? )
    ^ hier ( ist | spricht ) ( $model | $person ) ( <stop> | , )
"""

CHINESE: Final = """
    我 $zh-soft ( 是 | 叫 ) $zh-one ( $model | Claude ) , <han>{0,3} ( 由 | 来自 ) <han>{0,2} $maker ( 公司 | 团队 )? $zh-many $zh-made
    作为 <han>{0,4} ( ai )? <han>{0,8} ( , )? 由 $maker $zh-many $zh-made ( 的 )? <han>{0,8} , <han>{0,6} 我
    我 $zh-soft ( 是 | 就是 | 叫 | 叫做 | 名叫 | 名为 | 属于 | 乃 ) $zh-one ( $model | Claude ) ( $zh-after | $maker )
    我 $zh-soft ( 是 | 就是 ) $zh-one ( 由 | 来自 | 被 | 出自 )? <han>{0,4} $maker ( 公司 | 团队 | 集团 | 科技 | 旗下 | 的 <han>{2,4} )? $zh-many ( $zh-made | 的 <han>{0,8} ( ai | 助手 | 模型 | 机器人 | 人工智能 | 产品 | 助理 ) )
    我 $zh-soft ( 是 | 就是 )? ( 由 | 被 | 受 ) <han>{0,4} $maker ( 公司 | 团队 | 集团 | 科技 | 旗下 )? $zh-many $zh-made
    我 $zh-soft ( 是 )? ( 基于 | 建立在 | 采用 | 使用 ) $maker? ( 的 )? $model ( 模型 | 架构 | 技术 | 的 | <stop> | , | 大 | 构建 | 系列 )
    ( 我 的 | 我 ) ( 名字 | 全名 | 大名 | 中文名 | 英文名 ) ( 是 | 叫 | 叫做 ) ( $model | Claude | Kimi )
    ( 叫 我 | 称呼 我 为 | 称 我 为 | 称我为 ) ( $model | Claude )
    我 的 ( 开发者 | 创造者 | 创建者 | 开发团队 | 开发公司 | 制作者 | 母公司 | 训练者 | 开发商 ) ( 是 | 来自 | 在 | : | 、 | 为 | 们 是 | 们 来自 | , ) <han>{0,4} $maker
    我 的 <han>{0,6} ( 由 | 来自 | 基于 | 是 | 是由 ) <han>{0,2} ( $maker | $model ) ( $zh-many $zh-made | 的 | <stop> | 模型 | 提供 | , )
    作为 $zh-one ( 由 | 来自 )? $maker ( 公司 | 团队 )? $zh-many ( $zh-made | 的 ) <han>{0,14} ( ai | 助手 | 模型 )? <han>{0,6} , <han>{0,6} 我
    作为 ( $model | Claude | $maker ) ( ai )? <han>{0,8} , <han>{0,4} 我
    $maker ( 公司 | 团队 )? $zh-made 了? 我
    $maker ( 公司 | 团队 )? <han>{0,4} ( 创造 | 训练 | 开发 | 设计 | 制造 ) 了 我
    ( 您 | 你 ) 正在 ( 和 | 与 | 跟 ) ( $model | Claude ) ( 对话 | 聊天 | 交流 | 交谈 )
"""

PHRASES: Final = (ENGLISH, FRENCH, SPANISH, PORTUGUESE, GERMAN, CHINESE)
