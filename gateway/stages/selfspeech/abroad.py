"""Self-speech in French, Spanish, Portuguese, German and Chinese. The notation is in the package's docstring."""

from typing import Final

KINDS: Final = {
    "fr-soft": "un en fait actuellement simplement tout aussi donc bien en réalité effectivement juste",
    "fr-made": """
        développé développée créé créée conçu conçue entraîné entraînée formé formée fabriqué fabriquée programmé
        programmée propulsé propulsée construit construite alimenté alimentée mis mise au point fourni élaboré
        élaborée réalisé
    """,
    "es-soft": "un realidad en simplemente también solo sólo actualmente entonces de hecho yo",
    "es-made": """
        desarrollado desarrollada creado creada entrenado entrenada diseñado diseñada hecho hecha construido
        construida programado programada fabricado impulsado impulsada ofrecido proporcionado
    """,
    "es-active": "creó entrenó desarrolló diseñó programó construyó crearon entrenaron desarrollaron diseñaron",
    "pt-soft": "na verdade apenas simplesmente também só atualmente então de fato eu",
    "pt-made": """
        desenvolvido desenvolvida criado criada treinado treinada projetado projetada feito feita construído
        construída programado programada concebido concebida alimentado fornecido
    """,
    "pt-active": """
        criou treinou desenvolveu projetou programou construiu criaram treinaram desenvolveram projetaram
    """,
    "de-soft": "auch nur einfach eigentlich tatsächlich übrigens natürlich selbst derzeit ja also",
    "de-done": """
        entwickelt erstellt trainiert geschaffen gebaut programmiert entworfen erschaffen kreiert konzipiert
        hergestellt
    """,
    "de-made": """
        entwickelt entwickeltes entwickelter entwickelte erstellt erstelltes erstellter erstellte trainiert
        trainiertes trainierter trainierte geschaffen geschaffenes geschaffener geschaffene gebaut gebautes gebauter
        programmiert programmiertes programmierter entworfen entworfenes entworfener erschaffen kreiert konzipiert
        angeboten angebotenes bereitgestellt bereitgestelltes hergestellt gemacht erschaffenes stammendes
    """,
}

MACROS: Final = {
    "fr-adj": """
        <word>? ( grand | un | une | virtuel | virtuelle | intelligent | <word> | de | langage | large | puissant
        ){0,3}
    """,
    "fr-mind": """
        ( ia | intelligence artificielle | modèle | assistant | assistante | chatbot | programme | robot |
        llm | système | grand modèle | outil ) ( de | d | ' | langage | ia | linguistique | conversationnel |
        conversationnelle | virtuel | virtuelle | intelligence | artificielle | langue | informatique | basé | sur |
        l | intelligente ){0,6}
    """,
    "fr-made": "<fr-made> ( ( et | , ) <fr-made> ){0,3}",
    "fr-by": "par",
    "fr-team": """
        ( l | ' | la | les | une | un | d | société | entreprise | équipe | équipes | chercheurs | ingénieurs | de |
        chez | des | start | - | up | <word> ){0,6}
    """,
    "fr-poss": "( le | la | l ' | les | une | un )? ( modèle | technologie | architecture | version )? ( de | d ' )?",
    "fr-after": """
        <stop> | , | <open> | <close> | <dash> | et | un | une | le | votre | ton | l | de | d | développé | créé |
        conçu | entraîné | par | version
    """,
    "fr-says": """
        <stop> | <close> | , ( un | une | l ' | le | votre | ton )? $fr-adj $fr-mind | , <fr-made> | <dash> | ( , )?
        et je suis ( là | ici | un | une ) | ( , )? ( comment | ravi | en quoi | enchanté ) | de $maker | <fr-made>
    """,
    "es-adj": "<word>? ( gran | de | lenguaje | <word> ){0,3}",
    "es-mind": """
        ( ia | inteligencia artificial | modelo | asistente | chatbot |  programa | robot | llm | sistema |
        herramienta ) ( de | lenguaje | ia | lingüístico | conversacional | virtual | inteligencia | artificial |
        idioma | informático | grande | gran | escala | a | entrenado | basado | en | útil | inteligente ){0,6}
    """,
    "es-made": "<es-made> ( ( y | , ) <es-made> ){0,3}",
    "es-by": "por",
    "es-team": """
        ( la | el | los | las | un | una | empresa | equipo | compañía | investigadores | ingenieros | de | en |
        <word> ){0,6}
    """,
    "es-poss": """
        ( el | la | los | un | una )? ( modelo | tecnología | arquitectura | versión )? ( de )? ( lenguaje )? ( de
        )?
    """,
    "es-after": """
        <stop> | , | <open> | <close> | <dash> | y | un | una | el | tu | su | de | creado | desarrollado |
        entrenado | versión
    """,
    "es-says": """
        <stop> | <close> | , ( un | una | el | la | tu | su )? $es-adj $es-mind | , <es-made> | <dash> | ( , )? y (
        estoy | soy ) ( aquí | un | una ) | ( , )? ( cómo | en qué | encantado ) | de $maker | <es-made>
    """,
    "pt-adj": "<word>? ( grande | de | linguagem | <word> ){0,3}",
    "pt-mind": """
        ( ia | inteligência artificial | modelo | assistente | chatbot |  programa | robô | llm | sistema |
        ferramenta ) ( de | linguagem | ia | linguístico | conversacional | virtual | inteligência | artificial |
        grande | escala | em | larga | baseado | treinado | útil | inteligente ){0,6}
    """,
    "pt-made": "<pt-made> ( ( e | , ) <pt-made> ){0,3}",
    "pt-by": "( por | pela | pelo )",
    "pt-team": """
        ( a | o | os | as | uma | um | empresa | equipe | equipa | pesquisadores | engenheiros | da | do | de | na |
        <word> ){0,6}
    """,
    "pt-poss": """
        ( o | a | os | um | uma )? ( modelo | tecnologia | arquitetura | versão )? ( de | do | da )? ( linguagem )?
        ( da | do | de )?
    """,
    "pt-after": """
        <stop> | , | <open> | <close> | <dash> | e | um | uma | o | a | seu | sua | da | do | de | criado |
        desenvolvido | treinado | versão
    """,
    "pt-says": """
        <stop> | <close> | , ( um | uma | o | a | seu | sua )? $pt-adj $pt-mind | , <pt-made> | <dash> | ( , )? e (
        estou | sou ) ( aqui | um | uma ) | ( , )? ( como posso | em que | prazer ) | ( da | do ) $maker | <pt-made>
    """,
    "de-adj": """
        <word>? ( großes | grosses | großer | hilfreicher | künstliche | künstlicher | <word> | fortschrittliches
        ){0,2}
    """,
    "de-mind": """
        ( ki | ki - <cap> | künstliche intelligenz | sprachmodell | modell | chatbot | assistent | assistentin | ai
        | llm | programm | bot | system | language model | ki - sprachmodell | ki - modell | ki - assistent | ki -
        assistentin | ki - system | ki - chatbot | sprachassistent | computerprogramm | textmodell ) ( - |
        sprachmodell | modell | assistent | chatbot | system | bot ){0,3}
    """,
    "de-made": "<de-made> ( ( und | , ) <de-made> ){0,3}",
    "de-team": """
        ( der | dem | den | einem | einer | firma | team | forschern | unternehmen | entwicklern | ingenieuren | von
        | bei | <word> ){0,5}
    """,
    "de-after": """
        <stop> | , | <open> | <close> | <dash> | und | ein | eine | das | der | dein | ihr | von | entwickelt
    """,
    "de-says": """
        <stop> | <close> | , ( ein | eine | der | die | das | dein | deine | ihr )? $de-adj $de-mind | , (
        entwickelt | von ) | <dash> | ( , )? und ( bin | ich bin | stehe | helfe ) | ( , )? ( wie kann | womit ) |
        von $maker
    """,
    "de-spoken": """
        ( , )? ( bin | habe | kann | kenne | verfüge | besitze | möchte | darf | werde | wurde | muss | ich | weiß |
        <word> ich | <stop> )
    """,
    "zh-soft": """
        ( 其 实 | 只 | 不 过 | 就 | 的 确 | 确 实 | 本 身 | 也 | 当 然 | 叫 做 | 们 | 都 | 目 前 | , | 是 一 个 )?
    """,
    "zh-one": "( 一 ( 个 | 款 | 种 | 名 | 位 ) | 个 )?",
    "zh-many": "( 公 司 | 团 队 | 旗 下 )? ( 所 | 自 主 | 独 立 | 专 门 | 精 心 | 最 新 | 联 合 )? ( 研 究 )?",
    "zh-made": """
        ( 开 发 | 训 练 | 创 建 | 创 造 | 研 发 | 打 造 | 设 计 | 制 作 | 推 出 | 提 供 | 构 建 | 研 制 | 发 布 | 制
        造 | 创 立 ) ( (
        和 | 并 | 与 | 、 | , ) ( 训 练 | 开 发 | 维 护 | 设 计 | 推 出 ) )?
    """,
    "zh-after": """
        <stop> | , | <open> | <close> | <dash> | 一 | 由 | 的 | 是 | 你 | 您 | 很 | 和 | 大 | 模 | 助 | 语 | 这 | 版 |
        ai | 人 工
    """,
}

FRENCH: Final = """
    je suis <fr-soft>{0,2} ( $model ( $fr-after | $fr-mind ) | $person $fr-says | ( $model | $person ) ( , | <dash>
        ) ( un | une | l ' | le | votre )? $fr-adj $fr-mind? ( , )? ( $fr-made $fr-by $fr-team | de | d ' | de chez
        ) $maker )
    je suis <fr-soft>{0,2} ( un | une | le | l ' | votre | ton )? $fr-adj $fr-mind $fr-adj ( , )? ( qui a été | et j
        ' ai été | ayant été )? ( $fr-made $fr-by $fr-team $maker | de $maker | d ' $maker | de chez $maker | basé
        sur $fr-poss $model | basée sur $fr-poss $model | nommé ( $model | $person ) | appelé ( $model | $person ) |
        , $model )
    je suis <fr-soft>{0,2} ( $fr-made $fr-by $fr-team $maker | basé sur $fr-poss $any | basée sur $fr-poss $any )
    ( j ' ai été | je fus | j ' ai d ' abord été ) <fr-soft>{0,2} $fr-made ( et $fr-made )? $fr-by $fr-team $maker
    ( je m ' appelle | mon nom est | appelez - moi | appelle - moi | m ' appeler | je me nomme ) ( $model $fr-after
        | $person $fr-says )
    en tant qu ' ( un | une )? $fr-adj $fr-mind $fr-adj ( , )? $fr-made $fr-by $fr-team $maker ( , )? ( je | j | il
        m | il est <word> | mes | mon | ma | <stop> )
    en tant que $fr-adj ( $fr-mind $fr-adj ( , )? ( $fr-made $fr-by $fr-team | de | d ' ) $maker ( , )? | ( $model |
        $person ) , ) ( je | j | il m | il est <word> | mes | mon | ma | <stop> )
    ( mes | mon ) ( créateurs | concepteurs | développeurs | créateur | développeur | concepteur | société mère ) (
        ( chez | de | à | d ' | , | est | sont ) ( les | l )? ( <word> ){0,3} ( chez | de | d ' )? ( $maker ) )
    $maker ( , la société qui )? m ' a $fr-made
    mon ( entraînement | développement ) ( <word> ){0,2} par $maker
    mon ( modèle ( de langage | sous - jacent | de base ) | architecture ) ( <word> ){0,2} ( est | sur ) $fr-poss
        $any
    ( vous parlez | tu parles | vous discutez | tu discutes ) ( à | avec ) ( $model | $person $fr-says | $fr-adj un
        $fr-adj $fr-mind $fr-adj $fr-made par $maker )
    ^ ici ( $model | $person ) ( <stop> | , )
"""

SPANISH: Final = """
    soy <es-soft>{0,2} ( $model $es-after | $person $es-says | ( $model | $person ) ( , | <dash> ) ( un | una | el |
        la | tu | su )? $es-adj $es-mind? $es-adj ( , )? ( $es-made $es-by $es-team | de ) $maker )
    soy <es-soft>{0,2} ( un | una | el | la | tu | su )? $es-adj $es-mind $es-adj ( , )? ( que fue | que ha sido )?
        ( $es-made $es-by $es-team $maker | de $maker | llamado ( $model | $person ) | basado en $es-poss $any | ,
        $model )
    ( fui | he sido | estoy | soy | me encuentro ) <es-soft>{0,2} ( $es-made $es-by $es-team $maker | basado en
        $es-poss $any | basada en $es-poss $any )
    ( me llamo | mi nombre es | llamarme | llámame | me llaman | puedes decirme ) <es-soft>{0,2} ( $model $es-after
        | $person $es-says )
    como ( un | una )? $es-adj $es-mind $es-adj ( , )? ( $es-made $es-by $es-team $maker | de $maker ) ( , | <stop>
        ) ( no | yo | mi | mis | puedo | tengo | estoy | soy | me | carezco | debo | fui | he | intento | trato | mi
        | es <word> | <stop> )
    como ( $model | $person ) , ( no | yo | mi | mis | puedo | tengo | estoy | soy | me | debo | he )
    ( mis | mi ) ( creadores | desarrolladores | creador | desarrollador | creadora | desarrolladora | empresa
        matriz | programadores ) ( ( en | de | , | es | son ) ( los | la | el )? ( <word> ){0,3} ( de | en )? (
        $maker ) )
    $maker ( , la empresa que )? me ( ha )? ( <es-active> | $es-made )
    mi ( entrenamiento | desarrollo ) ( <word> ){0,2} por $maker
    mi ( modelo ( de lenguaje | base | subyacente ) | arquitectura ) ( <word> ){0,2} ( es | en ) $es-poss $any
    ( estás | está | estas ) ( hablando | chateando | conversando | interactuando ) con ( $model | $person $es-says
        | un $es-adj $es-mind $es-adj $es-made por $maker )
"""

PORTUGUESE: Final = """
    sou <pt-soft>{0,2} ( o | a )? ( $model $pt-after | $person $pt-says | ( $model | $person ) ( , | <dash> ) ( um |
        uma | o | a | seu | sua )? $pt-adj $pt-mind? $pt-adj ( , )? ( $pt-made $pt-by $pt-team | da | do | de )
        $maker )
    sou <pt-soft>{0,2} ( um | uma | o | a | seu | sua )? $pt-adj $pt-mind $pt-adj ( , )? ( que foi )? ( $pt-made
        $pt-by $pt-team $maker | ( da | do | de ) $maker | chamado ( $model | $person ) | baseado ( em | no )
        $pt-poss $any | , ( o )? $model )
    ( fui | estou | sou | tenho sido ) <pt-soft>{0,2} ( $pt-made $pt-by $pt-team $maker | ( baseado | baseada ) ( em
        | no | na ) $pt-poss $any )
    ( me chamo | chamo - me | meu nome é | me chamar de | me chame de | pode me chamar de | chamam - me ) ( o )?
        <pt-soft>{0,2} ( $model $pt-after | $person $pt-says )
    como ( um | uma )? $pt-adj $pt-mind $pt-adj ( , )? ( $pt-made $pt-by $pt-team $maker | ( da | do | de ) $maker )
        ( , | <stop> ) ( não | eu | meu | minha | posso | tenho | estou | sou | fui | devo | meus | é <word> |
        <stop> )
    como ( o )? ( $model | $person ) , ( não | eu | meu | minha | posso | tenho | estou | sou | fui | devo )
    ( meus | meu | minha | minhas ) ( criadores | desenvolvedores | criador | desenvolvedor | criadora |
        desenvolvedora | empresa mãe | programadores ) ( ( na | da | do | no | de | em | , | é | são ) ( os | a | o
        )? ( <word> ){0,3} ( da | do | na )? ( $maker ) )
    $maker ( , a empresa que )? me ( <pt-active> )
    meu ( treinamento | treino | desenvolvimento ) ( <word> ){0,2} ( por | pela | pelo ) $maker
    meu modelo ( de linguagem | base | subjacente ) ( <word> ){0,2} ( é | em ) $pt-poss $any
    ( você está | estás | está ) ( falando | conversando | a falar | interagindo ) com ( o )? ( $model | $person
        $pt-says | um $pt-adj $pt-mind $pt-adj $pt-made $pt-by $maker )
"""

GERMAN: Final = """
    ( ich bin | bin ich ) <de-soft>{0,2} ( $model $de-after | $person $de-says | ( $model | $person ) ( , | <dash> )
        ( ein | eine | der | das | dein | ihr )? $de-adj $de-mind? ( , )? ( das | der | die )? ( von $de-team $maker
        $de-made | von $maker ) )
    ( ich bin | bin ich ) <de-soft>{0,2} ( ein | eine | das | die | der | dein | ihr )? $de-adj ( von | durch | bei
        ) $de-team $maker ( <word>? $de-made ) $de-adj $de-mind
    ( ich bin | bin ich ) <de-soft>{0,2} ( ein | eine | das | die | der | dein | ihr )? $de-adj $de-mind ( , )? (
        das | der | die | welches )? ( $de-made? ( von | durch | bei | aus dem hause ) $de-team $maker | namens (
        $model | $person ) | auf <word> von $any | , $model )
    ich bin <de-soft>{0,2} ( ein | eine | das )? ( $maker | $model ) - $de-mind
    ( ich wurde | wurde ich | ich bin | ich worden | ich werde | ich ) <de-soft>{0,2} ( von | durch | bei ) $de-team
        $maker <word>? <de-done>
    ( ich heiße | ich heisse | mein name ist | mein name lautet | nenn mich | nennen sie mich | man nennt mich )
        <de-soft>{0,2} ( $model $de-after | $person $de-says )
    als ( ein | eine )? $de-adj ( von | durch | bei ) $de-team $maker ( <word>? $de-made ) $de-adj $de-mind
        $de-spoken
    als ( ein | eine )? $de-adj $de-mind ( , )? ( das | der | die )? ( von | durch | bei ) $de-team $maker ( <word>?
        $de-made )? ( wurde | worden ist )? $de-spoken
    als ( $model | $person | ( $maker | $model ) - $de-mind ) $de-spoken
    ( meine | mein | meinen | meinem ) ( entwickler | schöpfer | ersteller | entwicklern | schöpfern | entwicklerin
        | mutterkonzern | erfinder | programmierer ) ( bei | von | , | ist | sind | aus ) ( den | dem | die )?
        <word>{0,3} ( bei | von )? $maker
    $maker ( hat )? mich ( $de-made | <word> $de-made )
    ( ich basiere | basiere ich ) <word>? auf <word>{0,2} $any
    mein ( training | wissen ) <word>{0,3} ( von | durch ) $maker
    mein ( sprachmodell | basismodell ) <word>{0,3} ( von | auf | ist ) $any
    ( du sprichst | sie sprechen | du redest | du chattest | sie chatten ) <word>? mit ( $model | $person $de-says |
        einem ( von $maker $de-made )? $de-mind ( von $maker )? )
    ^ hier ( ist | spricht ) ( $model | $person ) ( <stop> | , )
"""

CHINESE: Final = """
    我 $zh-soft ( 是 | 叫 ) $zh-one ( $model | Claude ) , <han>{0,3} ( 由 | 来自 ) <han>{0,2} $maker ( 公司 | 团队 )?
        $zh-many
        $zh-made
    作为 <han>{0,4} ( ai )? <han>{0,8} ( , )? 由 $maker $zh-many $zh-made ( 的 )? <han>{0,8} , <han>{0,6} 我
    我 $zh-soft ( 是 | 就是 | 叫 | 叫做 | 名叫 | 名为 | 属于 | 乃 ) $zh-one ( $model | Claude ) ( $zh-after | $maker )
    我 $zh-soft ( 是 | 就是 ) $zh-one ( 由 | 来自 | 被 | 出自 )? <han>{0,4} $maker ( 公司 | 团队 | 集团 | 科技 | 旗下
        | 的 <han>{2,4} )?
        $zh-many ( $zh-made | 的 <han>{0,8} ( ai | 助手 | 模型 | 机器人 | 人工智能 ) )
    我 $zh-soft ( 是 | 就是 )? ( 由 | 被 | 受 ) <han>{0,4} $maker ( 公司 | 团队 | 集团 | 科技 | 旗下 )? $zh-many
        $zh-made
    我 $zh-soft ( 是 )? ( 基于 | 建立在 ) $maker? ( 的 )? $model ( 模型 | 架构 | 技术 | 的 | <stop> | ,
        | 大 | 构建 | 系列 )
    ( 我 的 | 我 ) ( 名字 | 全名 | 大名 | 中文名 | 英文名 ) ( 是 | 叫 | 叫做 ) ( $model | Claude | Kimi )
    ( 叫 我 | 称呼 我 为 | 称 我 为 | 称我为 ) ( $model | Claude )
    我 的 ( 开发者 | 创造者 | 创建者 | 开发团队 | 开发公司 | 制作者 | 母公司 | 训练者 | 开发商 ) ( 是 | 来自 | 在 | :
        | 、 | 为 | 们 是 | 们 来自 | , )
        <han>{0,4} $maker
    我 的 ( 底层 | 语言 )? ( 模型 | 训练 | 训练 数据 | 架构 | 知识 | 知识库 | 回答 | 技术 | 能力 ) <han>{0,2} ( 由 |
        来自 | 基于 | 是 | 是由 ) <han>{0,2} ( $maker | $model ) ( $zh-many $zh-made | 的 | <stop>
        | 模型 |
        提供 | , )
    作为 $zh-one ( 由 | 来自 )? $maker ( 公司 | 团队 )? $zh-many ( $zh-made | 的 ) <han>{0,14} ( ai | 助手 | 模型 )?
        <han>{0,6} ,
        <han>{0,6} 我
    作为 ( $model | Claude | $maker ) ( ai )? <han>{0,8} , <han>{0,4} 我
    $maker ( 公司 | 团队 )? $zh-made 了? 我
    $maker ( 公司 | 团队 )? <han>{0,4} ( 创造 | 训练 | 开发 | 设计 | 制造 ) 了 我
    ( 您 | 你 ) 正在 ( 和 | 与 | 跟 ) ( $model | Claude ) ( 对话 | 聊天 | 交流 | 交谈 )
"""

PHRASES: Final = (FRENCH, SPANISH, PORTUGUESE, GERMAN, CHINESE)
